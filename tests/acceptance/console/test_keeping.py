"""The console's pages of what is kept and deleted: audit log, holds, receipts, exports; of the own tenant only."""

import json
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from deployments.auth.authenticators import ALL_SCOPES, Principal, Scope
from pipelines.audit import AuditAction, Deed, ObjectKind
from pipelines.errors import Unauthenticated
from pipelines.jobs.job import Job, JobState
from pipelines.jobs.reference import Reference
from pipelines.keeping.signing import ReceiptKey, new_key
from tests.acceptance.console.conftest import PHONE, OpenPage, Serve, assert_accessible
from tests.support.console_server import ConsoleServer

ROLES = {
    "ada-of-a": ("a", ALL_SCOPES),
    "rita-of-a": ("a", frozenset({Scope.JOBS_READ})),
    "ben-of-b": ("b", ALL_SCOPES),
}


class Roles:
    """Two tenants' administrators and a reader, by their keys."""

    async def authenticate(self, token: str | None) -> Principal:
        if token not in ROLES:
            raise Unauthenticated("The key is unknown.")
        tenant, scopes = ROLES[token]
        return Principal(tenant=tenant, scopes=scopes, key_id=token, actor=f"key:{token}")


@dataclass
class Archive:
    """A console with a job for each of two tenants, and the key that signs its receipts."""

    site: ConsoleServer
    url: str
    jobs: dict[str, Job]
    signer: ReceiptKey

    def ask(self, key: str, path: str, method: str = "GET", body: object = None) -> Any:
        """Do what somebody does elsewhere."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers, method=method)) as answer:
            return json.load(answer)


SignIn = Callable[..., Page]


@pytest.fixture
def archive(tmp_path: Path, serve: Serve) -> Archive:
    """Nothing is held or deleted yet."""
    signer = ReceiptKey(new_key())
    site = ConsoleServer(tmp_path, authenticator=Roles(), signer=signer)
    jobs = {tenant: site.add(f"of-{tenant}.wav", JobState.CANCELLED, tenant=tenant) for tenant in "ab"}
    return Archive(site=site, url=serve(site), jobs=jobs, signer=signer)


@pytest.fixture
def sign_in(archive: Archive, open_page: OpenPage) -> SignIn:
    """Open a place of the console as somebody."""

    def sign_in(key: str, place: str = "", *, refusals: tuple[int, ...] = (), **options: Any) -> Page:
        page = open_page(f"{archive.url}/{place}", refusals=(401, *refusals), **options)
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Sign in").click()
        return page

    return sign_in


def test_the_audit_log(archive: Archive, sign_in: SignIn) -> None:
    """Is listed by pages and filters, and checked; another tenant's deeds are in neither."""
    for tenant, actor in (("a", "key:ada-of-a"), ("b", "key:ben-of-b")):
        read = Deed(
            tenant=tenant,
            action=AuditAction.READ,
            actor=actor,
            kind=ObjectKind.JOB,
            object_id=archive.jobs[tenant].id,
            detail=(("what", "transcript.json"),),
        )
        archive.site.ledger.audit.append([read] * 130)
    page = sign_in("ada-of-a")
    page.get_by_role("link", name="Records").click()
    expect(page.get_by_role("heading", name="Audit log")).to_be_focused()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(100)
    expect(rows.first).to_contain_text("what transcript.json")
    assert_accessible(page)
    page.get_by_role("button", name="Earlier").press("Enter")
    expect(rows).to_have_count(130)
    expect(rows.nth(100)).to_be_focused()
    assert "ben-of-b" not in page.locator("table").inner_text()
    page.get_by_label("Did").select_option("read_audit")
    page.get_by_label("Did").press("Tab")
    page.get_by_label("Who").press("Enter")
    expect(rows.first).to_contain_text("read this log")
    assert page.evaluate("location.hash") == "#/keeping/audit/action%3Dread_audit"
    page.get_by_label("To what").fill(archive.jobs["b"].id)
    page.get_by_label("To what").press("Enter")
    expect(page.get_by_text("Nothing was entered.")).to_be_visible()

    page.get_by_role("button", name="Check the log").click()
    status = page.locator(".card").get_by_role("status")
    expect(status).to_contain_text("The log is whole")
    noted = status.locator("code").inner_text()
    page.get_by_label("against a note").fill("nonsense")
    page.get_by_role("button", name="Check the log").click()
    expect(status).to_contain_text("A note is number:digest")
    page.get_by_label("against a note").fill(noted)
    page.get_by_role("button", name="Check the log").click()
    expect(status).to_contain_text("The log is whole")
    assert_accessible(page)
    del archive.site.ledger.audit.entries["a"][3]
    page.get_by_role("button", name="Check the log").click()
    expect(status).to_contain_text("The log is not whole")
    assert_accessible(page)


def test_holds_by_keyboard(archive: Archive, sign_in: SignIn) -> None:
    """One is placed from its job with a reason, forbids the deletion, and is released with a reason; both stay."""
    own = archive.jobs["a"]
    archive.ask("ben-of-b", "/v1/holds", "POST", {"reason": "of the other tenant", "metadata": ["matter=17"]})
    page = sign_in("ada-of-a", f"#/jobs/{own.id}", refusals=(404, 409))
    page.get_by_role("link", name="Place a hold").press("Enter")
    expect(page.get_by_role("heading", name="Legal holds")).to_be_visible()
    expect(page.get_by_text("Nothing is held.")).to_be_visible()
    expect(page.get_by_label("Job", exact=True)).to_have_value(own.id)
    page.get_by_label("Name, such as the matter").focus()
    page.keyboard.type("Doe v. Acme")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # a reason is needed
    expect(page.locator(".kept li")).to_have_count(0)
    assert_accessible(page)
    page.keyboard.type("letter of 12 May")
    page.keyboard.press("Enter")
    held = page.locator(".kept li")
    expect(held).to_have_count(1)
    expect(held).to_be_focused()
    for text in ("Doe v. Acme", "letter of 12 May", "key:ada-of-a", "In force"):
        expect(held).to_contain_text(text)
    assert_accessible(page)

    page.goto(f"{archive.url}/#/jobs/{own.id}")
    page.get_by_role("button", name="Delete").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".toast.error")).to_contain_text("Doe v. Acme")

    page.goto(f"{archive.url}/#/keeping/holds")
    page.get_by_role("button", name="Release the hold Doe v. Acme").press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(held).to_have_count(1)
    page.get_by_role("button", name="Release the hold Doe v. Acme").press("Enter")
    page.keyboard.type("settled")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is held.")).to_be_visible()
    page.get_by_label("Show").select_option("all, released ones too")
    expect(held).to_contain_text("settled")
    expect(held).to_have_count(1)
    assert_accessible(page)


def test_a_hold_by_conditions(archive: Archive, sign_in: SignIn) -> None:
    """Takes several at once; what the API refuses is told, and the form stays as it was."""
    page = sign_in("ada-of-a", "#/keeping/holds", refusals=(400, 422))
    page.get_by_text("Place a hold").first.click()
    page.get_by_label("Of", exact=True).select_option("many")
    page.get_by_label("Reason").fill("audit")
    page.get_by_role("button", name="Place a hold").click()
    expect(page.locator(".toast.error")).to_contain_text("metadata")
    page.get_by_label("Metadata").fill("matter=17\nkind=*")
    page.get_by_role("button", name="Place a hold").click()
    expect(page.locator(".kept li")).to_contain_text("matter=17")
    expect(page.locator(".kept li")).to_contain_text("kind=*")
    (hold,) = archive.site.ledger.legal_holds.list("a")
    assert (hold.reason, hold.scope.metadata) == ("audit", (("kind", "*"), ("matter", "17")))


def test_receipts(archive: Archive, sign_in: SignIn, tmp_path: Path) -> None:
    """Are listed, verified against the installation's key, saved, and verified as files; another tenant has its own."""
    for tenant, key in (("a", "ada-of-a"), ("b", "ben-of-b")):
        archive.site.store.put(f"{tenant}/{archive.jobs[tenant].id}/results/transcript.json", b"{}")
        archive.ask(key, f"/v1/jobs/{archive.jobs[tenant].id}?purge=true", "DELETE")
    page = sign_in("rita-of-a", "#/keeping/receipts")
    receipt = page.locator(".kept li")
    expect(receipt).to_have_count(1)
    expect(receipt).to_contain_text(archive.jobs["a"].id)
    expect(receipt).to_contain_text("Gone")
    receipt.get_by_text("Deleted blobs").click()
    expect(receipt.locator("table")).to_contain_text("results/transcript.json")
    assert_accessible(page)
    outcome = receipt.get_by_role("status")
    receipt.get_by_role("button", name="Verify").press("Enter")
    expect(outcome).to_contain_text("Whether the key is to be trusted")
    page.get_by_label("signed by this key").fill(archive.signer.public_key)
    receipt.get_by_role("button", name="Verify").press("Enter")
    expect(outcome).to_contain_text("by the expected key")
    assert_accessible(page)
    with page.expect_download() as saved:
        receipt.get_by_role("button", name="Save").click()
    written = json.loads(Path(saved.value.path()).read_text())
    assert saved.value.suggested_filename == f"receipt-{written['id']}.json"
    files = {name: tmp_path / f"{name}.json" for name in ("kept", "forged", "nonsense")}
    files["kept"].write_text(json.dumps(written))
    files["forged"].write_text(json.dumps(written | {"actor": "key:somebody-else"}))
    files["nonsense"].write_text("no JSON")
    verdicts = {"kept": "by the expected key", "forged": "was changed after", "nonsense": "no receipt that can be read"}
    for name, verdict in verdicts.items():
        page.locator("#receipt-file").set_input_files(files[name])
        expect(page.locator(".card").get_by_role("status")).to_contain_text(
            f"{name}.json: It was" if name == "forged" else f"{name}.json: "
        )
        expect(page.locator(".card").get_by_role("status")).to_contain_text(verdict)
    assert_accessible(page)
    page.get_by_label("Of the job or voice").fill(archive.jobs["b"].id)
    page.get_by_label("Of the job or voice").press("Enter")
    expect(page.get_by_text("There are no receipts.")).to_be_visible()


def test_an_export(archive: Archive, sign_in: SignIn) -> None:
    """Is one ZIP of the person's jobs in the own tenant, and nothing where there is none."""
    for job in archive.jobs.values():
        archive.site.change(job, reference=Reference(external_id="crm-4711"))
    page = sign_in("ada-of-a", "#/keeping/export", refusals=(404,))
    external_id = page.get_by_label("External id")
    external_id.fill("crm-1")
    external_id.press("Enter")
    expect(page.locator(".toast.error")).to_contain_text("nothing to export")
    assert_accessible(page)
    external_id.fill("crm-4711")
    with page.expect_download() as saved:
        external_id.press("Enter")
    assert saved.value.suggested_filename == "export.zip"
    with zipfile.ZipFile(saved.value.path()) as archived:
        assert json.loads(archived.read("manifest.json"))["jobs"] == [archive.jobs["a"].id]
    page.get_by_role("link", name="Audit log").click()
    expect(page.locator("tbody")).to_contain_text("exported")


def test_who_may_only_read(archive: Archive, sign_in: SignIn) -> None:
    """Sees holds and receipts, and nothing to place, release or look up in the audit log; on a phone as well."""
    archive.ask("ada-of-a", f"/v1/jobs/{archive.jobs['a'].id}/hold", "PUT", {"reason": "letter of 12 May"})
    page = sign_in("rita-of-a", f"#/jobs/{archive.jobs['a'].id}", refusals=(404,), **PHONE)
    expect(page.get_by_text("letter of 12 May")).to_be_visible()
    assert page.get_by_role("link", name="Place a hold").count() == 0
    page.get_by_role("link", name="Records").click()
    expect(page.get_by_role("heading", name="Legal holds")).to_be_visible()
    expect(page.locator(".kept li")).to_contain_text("letter of 12 May")
    assert page.get_by_role("link", name="Audit log").count() == 0
    assert page.get_by_role("button", name="Release").count() == 0
    assert page.get_by_text("Place a hold").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert_accessible(page)
    page.evaluate("location.hash = '#/keeping/audit'")
    expect(page.get_by_text("may not see this")).to_be_visible()
    assert page.locator("table").count() == 0
