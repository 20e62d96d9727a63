"""Topics of the long meetings, in the bundled model's vocabulary."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Topic:
    """The lines about one subject; ``report`` and ``doubt`` are sentences, the rest fits into sentences.

    ``doubt`` is asked by somebody and answered by ``answer``. ``remedy`` is what is decided, for ``reason``.
    """

    title: str
    report: tuple[str, str]
    doubt: str
    answer: str
    remedy: str
    reason: str
    gain: str
    tasks: tuple[str, str]
    partner: str
    question: str


TOPICS = (
    Topic(
        title="backup system",
        report=(
            "The backup system was slow, but the database was complete.",
            "We have three hundred recordings this month.",
        ),
        doubt="Is the backup system safe or risky?",
        answer="I think the backup system is risky.",
        remedy="replace the backup system",
        reason="before the holidays start",
        gain="restore the database",
        tasks=("measure the response time", "order the storage bucket"),
        partner="infrastructure",
        question="archive the transcript",
    ),
    Topic(
        title="new office",
        report=(
            "The new office was ready, but the kitchen was missing.",
            "The office in Dublin has forty people.",
        ),
        doubt="How much does the new office cost?",
        answer="It costs nine thousand dollars per month.",
        remedy="sign the lease",
        reason="so that we can start early",
        gain="close the old warehouse",
        tasks=("check the building permit", "plan the fire drill"),
        partner="legal",
        question="improve the parking lot",
    ),
    Topic(
        title="billing system",
        report=(
            "The billing system was stable, but the invoice was wrong.",
            "We have twelve complaints this week.",
        ),
        doubt="What happened to the invoice?",
        answer="I don't think the invoice is complete.",
        remedy="repair the billing system",
        reason="because the numbers are wrong",
        gain="reduce the error rate",
        tasks=("send the refund", "test the billing system"),
        partner="finance",
        question="explain the tax return",
    ),
    Topic(
        title="website",
        report=(
            "The website was fast, but the pricing page was wrong.",
            "Sales in Toronto went up by eight percent.",
        ),
        doubt="When can we update the pricing page?",
        answer="The pricing page must be done by the end of July.",
        remedy="rewrite the website",
        reason="since the customer asked for it",
        gain="improve the newsletter",
        tasks=("translate the pricing page", "publish the press release"),
        partner="marketing",
        question="measure the customer survey",
    ),
    Topic(
        title="hiring plan",
        report=(
            "The hiring plan was late, but the job offer was strong.",
            "The engineering team needs six more people.",
        ),
        doubt="Is the hiring plan cheap or expensive?",
        answer="In my opinion, the hiring plan is too expensive.",
        remedy="finish the hiring plan",
        reason="before the holidays start",
        gain="complete the salary review",
        tasks=("schedule the interview", "prepare the job offer"),
        partner="hiring",
        question="improve the interview",
    ),
    Topic(
        title="security review",
        report=(
            "The security review was complete, but the password was weak.",
            "We have seven open issues this month.",
        ),
        doubt="Is the network safe or dangerous?",
        answer="I think the network is safe.",
        remedy="upgrade the router",
        reason="after the audit is done",
        gain="monitor the network",
        tasks=("update the password", "document the audit"),
        partner="security",
        question="monitor the account",
    ),
    Topic(
        title="marketing campaign",
        report=(
            "The marketing campaign was successful, but the slide deck was missing.",
            "We spent thirty thousand dollars on the marketing campaign last quarter.",
        ),
        doubt="Is the marketing campaign useful or expensive?",
        answer="I think the marketing campaign is useful.",
        remedy="present the marketing campaign",
        reason="so that everyone can read it",
        gain="increase the sales forecast",
        tasks=("prepare the slide deck", "print the newsletter"),
        partner="sales",
        question="measure the feedback",
    ),
    Topic(
        title="data center",
        report=(
            "The data center was stable, but the power supply was old.",
            "The office in Oslo has ninety machines.",
        ),
        doubt="Why did we restart the cluster?",
        answer="The power supply was broken, but the cluster was safe.",
        remedy="replace the power supply",
        reason="because the supplier was late",
        gain="upgrade the cluster",
        tasks=("order the power supply", "check the battery"),
        partner="platform",
        question="repair the sensor",
    ),
    Topic(
        title="product line",
        report=(
            "The product line was popular, but the factory was slow.",
            "We have two thousand orders this quarter.",
        ),
        doubt="Is the delivery early or late?",
        answer="I think the delivery is late.",
        remedy="improve the quality check",
        reason="because the supplier was late",
        gain="deliver the spare parts",
        tasks=("collect the spare parts", "review the quality check"),
        partner="operations",
        question="increase the product line",
    ),
    Topic(
        title="training material",
        report=(
            "The training material was good, but the workshop was difficult.",
            "We have fifty new customers this year.",
        ),
        doubt="Is the training material clear or difficult?",
        answer="In my opinion, the training material is too difficult.",
        remedy="rewrite the training material",
        reason="so that everyone can read it",
        gain="open the workshop",
        tasks=("record the presentation", "share the training material"),
        partner="support",
        question="schedule the safety training",
    ),
    Topic(
        title="travel policy",
        report=(
            "The travel policy was old, but the expense report was clear.",
            "We spent eleven thousand dollars on the conference last year.",
        ),
        doubt="Who is going to approve the expense report?",
        answer="I have to approve the expense report now.",
        remedy="update the travel policy",
        reason="since we have no budget",
        gain="reduce the cost estimate",
        tasks=("collect the expense report", "cancel the conference"),
        partner="finance",
        question="plan the annual meeting",
    ),
    Topic(
        title="mobile app",
        report=(
            "The mobile app was ready, but the code review was incomplete.",
            "We have fifteen open issues this week.",
        ),
        doubt="When can we publish the mobile app?",
        answer="The mobile app must be done by the end of September.",
        remedy="postpone the release",
        reason="unless we find a better price",
        gain="finish the test environment",
        tasks=("complete the code review", "test the mobile app"),
        partner="engineering",
        question="explain the license",
    ),
    Topic(
        title="supplier list",
        report=(
            "The supplier list was complete, but the contract was expensive.",
            "The cost of the insurance fell by five percent.",
        ),
        doubt="How much does the insurance cost?",
        answer="It costs sixty dollars per month.",
        remedy="cancel the contract",
        reason="unless we find a better price",
        gain="sell the old truck",
        tasks=("check the insurance", "return the machine"),
        partner="legal",
        question="confirm the shipment",
    ),
    Topic(
        title="user study",
        report=(
            "The user study was useful, but the survey was late.",
            "We have four hundred support calls this month.",
        ),
        doubt="Is the prototype simple or difficult?",
        answer="I think the prototype is simple.",
        remedy="present the user study",
        reason="when the new version is ready",
        gain="improve the prototype",
        tasks=("summarize the survey", "discuss the feedback"),
        partner="research",
        question="translate the survey",
    ),
    Topic(
        title="call center",
        report=(
            "The call center was quiet, but the phone line was slow.",
            "The call center needs four more people.",
        ),
        doubt="What happened to the phone line?",
        answer="The phone line was broken, but the network was stable.",
        remedy="upgrade the phone line",
        reason="since the customer asked for it",
        gain="close the queue",
        tasks=("buy the microphone", "install the phone line"),
        partner="support",
        question="reduce the queue",
    ),
    Topic(
        title="recording service",
        report=(
            "The recording service was fast, but the transcript was incomplete.",
            "We have two million recordings this year.",
        ),
        doubt="How much does the graphics card cost?",
        answer="It costs seven hundred dollars per month.",
        remedy="buy the graphics card",
        reason="so that we can start early",
        gain="transcribe the interview",
        tasks=("install the graphics card", "measure the error rate"),
        partner="data",
        question="summarize the recording",
    ),
    Topic(
        title="incident report",
        report=(
            "The incident report was clear, but the alert was late.",
            "We have nine open issues this quarter.",
        ),
        doubt="Why did we delete the alert?",
        answer="I don't think the alert is useful.",
        remedy="restore the alert",
        reason="when the new version is ready",
        gain="improve the monitoring",
        tasks=("explain the rollback", "share the incident report"),
        partner="platform",
        question="test the rollback",
    ),
    Topic(
        title="partner agreement",
        report=(
            "The partner agreement was ready, but the loan was risky.",
            "Our forecast grew by fifteen percent in May.",
        ),
        doubt="Who is going to sign the partner agreement?",
        answer="I would like to sign the partner agreement.",
        remedy="approve the partner agreement",
        reason="after the audit is done",
        gain="open the new factory",
        tasks=("present the forecast", "review the license"),
        partner="sales",
        question="increase the forecast",
    ),
)
