"""Scripts of telephone calls: a customer and an agent who talk over each other, and short messages."""

from scripts.speech.stage import Line, Role

AGENT, CUSTOMER = "Karen", "Martin"

CALL_CAST = {
    AGENT: Role(voice="slt", channel=0, gain=0.9),
    CUSTOMER: Role(voice="awb", channel=1, gain=0.75, rate=1.05),
}

# A negative pause begins before the other one has finished.
CALL = (
    Line(speaker=AGENT, text="Good afternoon and welcome."),
    Line(speaker=AGENT, text="Hello, this is Karen from support."),
    Line(speaker=CUSTOMER, text="Hello, this is Martin from sales.", pause_s=-0.3),
    Line(speaker=AGENT, text="Hi Martin, how can I help you today?"),
    Line(speaker=CUSTOMER, text="My laptop is broken, and I need a new one."),
    Line(speaker=CUSTOMER, text="I would like to return my laptop.", pause_s=0.4),
    Line(speaker=AGENT, text="Sure, we can do that.", pause_s=-0.6),
    Line(speaker=AGENT, text="Can you check the warranty before Friday?"),
    Line(speaker=CUSTOMER, text="Yes, that works for me.", pause_s=-0.5),
    Line(speaker=CUSTOMER, text="I have to finish the presentation today."),
    Line(speaker=AGENT, text="Okay, let me check.", pause_s=-0.8),
    Line(speaker=AGENT, text="Your order number is four seven two nine.", pause_s=2.5),
    Line(speaker=CUSTOMER, text="Right, that sounds good.", pause_s=-0.9),
    Line(speaker=CUSTOMER, text="What happened to the delivery?"),
    Line(speaker=AGENT, text="The delivery was late, but the invoice was complete."),
    Line(speaker=CUSTOMER, text="Well, that is not possible.", pause_s=-1.0),
    Line(speaker=CUSTOMER, text="I don't think the invoice is complete.", pause_s=0.3),
    Line(speaker=AGENT, text="Yes, you are right.", pause_s=-0.5),
    Line(speaker=AGENT, text="The refund is missing, and we have to update the invoice."),
    Line(speaker=CUSTOMER, text="Could you please send the invoice again?", pause_s=-0.4),
    Line(speaker=AGENT, text="Of course, I will call you back."),
    Line(speaker=AGENT, text="We decided to replace the laptop because the supplier was late."),
    Line(speaker=CUSTOMER, text="Great, that makes sense.", pause_s=-1.2),
    Line(speaker=AGENT, text="I have to confirm the order with the sales team.", pause_s=-0.2),
    Line(speaker=CUSTOMER, text="How much does the new battery cost?"),
    Line(speaker=AGENT, text="It costs forty dollars per year."),
    Line(speaker=CUSTOMER, text="I think the battery is too expensive.", pause_s=0.6),
    Line(speaker=AGENT, text="We can send the spare parts together.", pause_s=-0.3),
    Line(speaker=CUSTOMER, text="When can we install the new battery?"),
    Line(speaker=AGENT, text="The delivery must be done by the end of June."),
    Line(speaker=CUSTOMER, text="Maybe, we should wait.", pause_s=-0.6),
    Line(speaker=AGENT, text="Karen and Martin will review the contract together.", pause_s=-0.4),
    Line(speaker=CUSTOMER, text="Exactly, I agree.", pause_s=-0.7),
    Line(speaker=AGENT, text="The phone number is five five one two three nine eight."),
    Line(speaker=CUSTOMER, text="Thanks Karen, that was very useful.", pause_s=0.4),
    Line(speaker=AGENT, text="That is all for today, goodbye.", pause_s=-0.2),
)

MESSAGE_CAST = {"Daniel": Role(voice="rms", rate=1.1)}
"""The speaker of the short files; the telephone message below has another one."""

MESSAGE = (
    Line(speaker="Daniel", text="Hello, this is Daniel from security."),
    Line(speaker="Daniel", text="The backup system was slow, but the network was stable.", pause_s=0.5),
    Line(speaker="Daniel", text="Rachel will restart the router by Friday.", pause_s=0.7),
)

VOICEMAIL_CAST = {"Julia": Role(voice="slt", rate=0.95)}

VOICEMAIL = (
    Line(speaker="Julia", text="Hello, this is Julia from operations."),
    Line(speaker="Julia", text="The shipment is late because the supplier was late.", pause_s=0.6),
    Line(speaker="Julia", text="Could you please confirm the delivery today?"),
    Line(speaker="Julia", text="The phone number is two four six one three five nine.", pause_s=0.9),
    Line(speaker="Julia", text="I will send the invoice to Martin and Karen."),
    Line(speaker="Julia", text="Thank you very much, goodbye."),
)
