"""The script of the Chinese sample meeting: three people, two topics, in the vocabulary of the bundled models."""

from scripts.speech.stage import Line, Role
from scripts.speech.truth import TrueAction

CAST_ZH = {
    "王芳": Role(voice="cmn+f3", gain=0.9),
    "张伟": Role(voice="cmn", gain=0.8, rate=1.1),
    "刘洋": Role(voice="cmn+m3", gain=0.85),
}


SCRIPT_ZH = (
    Line(speaker="王芳", text="大家早上好，我们开始开会吧。"),
    Line(speaker="王芳", text="欢迎大家参加今天的产品会议。"),
    Line(speaker="张伟", text="大家好，我是工程部的张伟。"),
    Line(speaker="刘洋", text="大家好，我是财务部的刘洋。"),
    # The application.
    Line(speaker="王芳", text="第一个议题是移动应用。", pause_s=1.6, topic="移动应用"),
    Line(speaker="王芳", text="张伟，你觉得移动应用怎么样？"),
    Line(speaker="张伟", text="移动应用已经准备好了，但是测试环境还没有完成。"),
    Line(speaker="张伟", text="这周我们有九个未完成的任务。"),
    Line(speaker="刘洋", text="是的，我同意。", pause_s=0.3),
    Line(
        speaker="王芳",
        text="我们决定推迟移动应用，因为时间不够。",
        decision="推迟移动应用",
    ),
    Line(
        speaker="王芳",
        text="张伟负责在星期三之前修复测试环境。",
        action=TrueAction(owner="张伟", task="修复测试环境", due="星期三"),
    ),
    Line(speaker="张伟", text="好的，没问题。", pause_s=0.3),
    Line(
        speaker="王芳",
        text="请刘洋在周五之前提交费用报告。",
        action=TrueAction(owner="刘洋", task="提交费用报告", due="周五"),
    ),
    Line(speaker="张伟", text="没有解决的问题是怎么翻译网站。", question="怎么翻译网站"),
    # Money.
    Line(speaker="王芳", text="下一个议题是预算。", pause_s=1.9, topic="预算"),
    Line(speaker="刘洋", text="数据中心的成本下降了百分之十一。"),
    Line(speaker="刘洋", text="上个季度我们在服务器上花了五千元。"),
    Line(speaker="张伟", text="工程部还需要四台机器。"),
    Line(speaker="王芳", text="大家一致同意批准预算。", decision="批准预算"),
    Line(
        speaker="王芳",
        text="刘洋会在下周一之前采购显卡。",
        action=TrueAction(owner="刘洋", task="采购显卡", due="下周一"),
    ),
    Line(speaker="刘洋", text="可以，我来负责。", pause_s=0.3),
    # The end.
    Line(speaker="王芳", text="下次会议定在周二上午十点。", pause_s=1.4, ends_topic=True),
)
