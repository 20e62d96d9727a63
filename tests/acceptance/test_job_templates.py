"""Templates that jobs bring, on a cluster: honest ones lay minutes out, hostile ones keep nobody waiting."""

import threading
import time

import httpx

from tests.acceptance.conftest import RunningMeetMemo

HOSTILE = (
    "{{ 7|round(-1000000000) }}",
    "{% set x = ['a', 'b'] %}" + "{% set x = [x, x] %}" * 40 + "{{ x|upper }}",
    "{{ '%1000000000d' is odd }}",
    "{% set x = [0,1,2,3,4,5,6,7,8,9] %}"
    + "".join(f"{{% for a{n} in x %}}" for n in range(9))
    + "x"
    + "{% endfor %}" * 9,
)
ANSWER_S = 5.0


def test_a_job_brings_its_template(meetmemo: RunningMeetMemo) -> None:
    """Its documents are laid out by it in every format, and nothing is noted."""
    template = (
        "# Board: {{ title }}\n\n{% for item in action_items %}- {{ item.task }}\n{% else %}nothing\n{% endfor %}"
    )
    job = meetmemo.finished(meetmemo.submit("call-stereo.opus", minutes_template=template)["id"])
    assert (job["state"], job["minutes"]["note"]) == ("succeeded", ""), job
    assert meetmemo.result(job, "minutes.md").startswith(b"# Board: ")
    for name in ("minutes.docx", "minutes.pdf"):
        assert meetmemo.result(job, name)


def test_hostile_templates_keep_nobody_waiting(meetmemo: RunningMeetMemo) -> None:
    """Each is refused with the enumerated reason; meanwhile everybody else is answered as ever."""
    answers: list[httpx.Response] = []

    def ask(template: str) -> None:
        data = {"minutes_template": template}
        answers.append(httpx.post(f"{meetmemo.url}/v1/jobs", data=data, files={"file": b"RIFF"}, timeout=60))

    asking = [threading.Thread(target=ask, args=(template,)) for template in HOSTILE]
    for thread in asking:
        thread.start()
    while any(thread.is_alive() for thread in asking):
        asked_s = time.monotonic()
        assert httpx.get(f"{meetmemo.url}/healthz", timeout=60).status_code == 200
        assert time.monotonic() - asked_s < ANSWER_S
    assert [(answer.status_code, answer.json()["reason"]) for answer in answers] == [(422, "template_invalid")] * 4
