"""The script of the three-minute sample meeting: four people, three topics, said in the bundled model's vocabulary."""

from scripts.speech.stage import Line, Role
from scripts.speech.truth import TrueAction

CAST = {
    "Alice": Role(voice="slt", gain=0.9),
    "David": Role(voice="rms", gain=0.8, rate=1.1),
    "Thomas": Role(voice="awb", gain=0.85),
    "Victor": Role(voice="en-us", gain=0.7),
}


def _do(owner: str, task: str, due: str | None) -> TrueAction:
    return TrueAction(owner=owner, task=task, due=due)


SCRIPT = (
    Line(speaker="Alice", text="Good morning everyone, let's get started."),
    Line(speaker="Alice", text="Welcome to the product meeting."),
    Line(speaker="Alice", text="Hello, this is Alice from product."),
    Line(speaker="David", text="Hello, this is David from engineering."),
    Line(speaker="Thomas", text="Hello, this is Thomas from finance."),
    Line(speaker="Victor", text="Hello, this is Victor from support."),
    # The release.
    Line(speaker="Alice", text="The first point is the mobile app.", pause_s=1.6, topic="the mobile app"),
    Line(speaker="Alice", text="David, what do you think about the mobile app?"),
    Line(speaker="David", text="The mobile app was ready, but the test environment was broken."),
    Line(speaker="David", text="We have nine open issues this week."),
    Line(speaker="David", text="The engineering team is almost done."),
    Line(speaker="Victor", text="Is the release safe or risky?"),
    Line(speaker="David", text="In my opinion, the release is too risky."),
    Line(speaker="Victor", text="Yes, I agree.", pause_s=0.25),
    Line(
        speaker="Alice",
        text="We decided to postpone the release because the numbers are wrong.",
        decision="postpone the release",
    ),
    Line(
        speaker="Alice",
        text="The decision is to publish the mobile app in March.",
        decision="publish the mobile app in March",
    ),
    Line(
        speaker="Alice",
        text="David will repair the test environment by Wednesday.",
        action=_do("David", "repair the test environment", "Wednesday"),
    ),
    Line(speaker="David", text="Sure, we can do that.", pause_s=0.3),
    Line(
        speaker="Alice",
        text="Action item for Victor, update the documentation with the design team.",
        action=_do("Victor", "update the documentation", None),
    ),
    Line(speaker="Victor", text="Okay, that works for me.", pause_s=0.3),
    Line(
        speaker="David",
        text="The open question is how to translate the website.",
        question="how to translate the website",
    ),
    # Support.
    Line(speaker="Alice", text="Let's move on to the call center.", pause_s=2.4, topic="the call center"),
    Line(speaker="Alice", text="Victor, what happened to the phone line?"),
    Line(speaker="Victor", text="The phone line was stable, but the recording service was slow."),
    Line(speaker="Victor", text="We have forty support calls this week."),
    Line(speaker="Victor", text="The support team needs two more people."),
    Line(speaker="Victor", text="We have three new customers this month."),
    Line(speaker="Thomas", text="How much does the recording service cost?"),
    Line(speaker="Victor", text="It costs twelve dollars per seat."),
    Line(speaker="Thomas", text="I don't think the recording service is expensive."),
    Line(speaker="David", text="If we upgrade the recording service, we can archive the transcript too."),
    Line(
        speaker="Alice",
        text="We decided to upgrade the recording service.",
        decision="upgrade the recording service",
    ),
    Line(
        speaker="Alice",
        text="Victor will test the new recording service by Friday.",
        action=_do("Victor", "test the new recording service", "Friday"),
    ),
    Line(
        speaker="Alice",
        text="Thomas will check the contract by Thursday.",
        action=_do("Thomas", "check the contract", "Thursday"),
    ),
    Line(speaker="Thomas", text="Yes, that works for me.", pause_s=0.3),
    Line(speaker="Alice", text="Thank you, Victor."),
    # Money.
    Line(
        speaker="Alice",
        text="The next item on the agenda is the budget plan.",
        pause_s=1.9,
        topic="the budget plan",
    ),
    Line(speaker="Thomas", text="Our budget grew by six percent in April."),
    Line(speaker="Thomas", text="The cost of the data center fell by eleven percent."),
    Line(speaker="Thomas", text="We spent five thousand dollars on the cluster last quarter."),
    Line(speaker="Victor", text="Sales in Berlin went up by nine percent."),
    Line(speaker="David", text="The engineering team needs four more machines."),
    Line(speaker="Thomas", text="No, that is not possible."),
    Line(speaker="Thomas", text="The power supply was cheap, but the graphics card was expensive."),
    Line(speaker="David", text="If we close the old data center, we can buy the graphics card too."),
    Line(speaker="Thomas", text="Right, that makes sense.", pause_s=0.35),
    Line(
        speaker="Alice",
        text="We decided to approve the budget plan so that we can start early.",
        decision="approve the budget plan",
    ),
    Line(
        speaker="Alice",
        text="David will order the graphics card by Monday.",
        action=_do("David", "order the graphics card", "Monday"),
    ),
    Line(
        speaker="Alice",
        text="Action item for Thomas, present the forecast with the sales team.",
        action=_do("Thomas", "present the forecast", None),
    ),
    Line(speaker="Thomas", text="Okay, that sounds good.", pause_s=0.3),
    Line(speaker="Alice", text="The deadline for the forecast is May fifteenth."),
    Line(
        speaker="David",
        text="The open question is how to measure the response time.",
        question="how to measure the response time",
    ),
    Line(speaker="Thomas", text="Thanks David, that was very useful."),
    # The end.
    Line(speaker="Alice", text="Are there any other comments on the agenda?", pause_s=1.4, ends_topic=True),
    Line(speaker="Victor", text="No, that sounds good."),
    Line(speaker="Alice", text="The next meeting is on Tuesday at ten o'clock."),
    Line(speaker="Alice", text="The meeting is closed, thank you everyone."),
)
