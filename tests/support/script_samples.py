"""Minutes of one meeting in six scripts: what the export tests render, and what docs/documents.md shows."""

from dataclasses import dataclass

from pipelines.core import ActionItem, Decision, Evidence, Minutes, ModelInfo, OpenQuestion, Segment, Topic, Transcript

SECONDS_A_LINE = 8.0


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """A meeting in one language: four lines are said, of which the second is a decision, the third a task."""

    title: str
    recording: str
    summary: str
    topic: str
    said: tuple[tuple[str, str], ...]
    decision: str
    task: str
    due: str
    question: str


MEETINGS = {
    "he": Meeting(
        title="ישיבת השקה של גרסה 2.5",
        recording="ישיבת-מוצר.m4a",
        summary="הצוות דן במועד ההשקה. בגלל תקלה בסביבת הבדיקות (QA) נדחתה ההשקה ל-15 בדצמבר.\n"
        "- התקציב לשנת 2027 אושר: 25,000 ₪.\n- Maria Cohen תכתוב ללקוחות עד יום שישי.",
        topic="מועד ההשקה",
        said=(
            ("דנה לוי", "בוקר טוב לכולם, נתחיל בישיבת המוצר. מה מצב העברת מסד הנתונים ל-PostgreSQL 17?"),
            ("Maria Cohen", "ההעברה איטית מהצפוי, ולכן החלטנו לדחות את ההשקה ל-15 בדצמבר, בשעה 10:30."),
            ("דנה לוי", "Maria, תכתבי בבקשה ללקוחות (גם ל-Acme Ltd.) עד יום שישי, כולל מחיר של 99.90 ₪ לחודש."),
            ("יוסי", "ומי ישלם על ההדרכה? זה לא נסגר. שָׁלוֹם וּבְרָכָה."),
        ),
        decision="ההשקה נדחית ל-15 בדצמבר, בשעה 10:30.",
        task="לכתוב ללקוחות (גם ל-Acme Ltd.)",
        due="יום שישי",
        question="מי ישלם על ההדרכה?",
    ),
    "ar": Meeting(
        title="اجتماع إطلاق الإصدار 2.5",
        recording="اجتماع-المنتج.m4a",
        summary="ناقش الفريق موعد الإطلاق. تأجّل الإطلاق إلى 15 ديسمبر بسبب عطل في بيئة الاختبار (QA).\n"
        "- تمت الموافقة على ميزانية عام ٢٠٢٧.\n- ستكتب ليلى إلى العملاء قبل يوم الجمعة.",
        topic="موعد الإطلاق",
        said=(
            ("أحمد الخطيب", "صباح الخير جميعًا، لنبدأ اجتماع المنتج. ما وضع نقل قاعدة البيانات إلى PostgreSQL 17؟"),
            ("ليلى", "النقل أبطأ من المتوقع، لذلك قررنا تأجيل الإطلاق إلى 15 ديسمبر الساعة 10:30."),
            ("أحمد الخطيب", "يا ليلى، اكتبي من فضلك إلى العملاء (وإلى Acme Ltd. أيضًا) قبل يوم الجمعة."),
            ("Ben Miller", "ومن سيدفع تكاليف التدريب؟ السلام عليكم ورحمة الله، لا إله إلا الله."),
        ),
        decision="تأجيل الإطلاق إلى 15 ديسمبر الساعة 10:30.",
        task="الكتابة إلى العملاء (وإلى Acme Ltd. أيضًا)",
        due="يوم الجمعة",
        question="من سيدفع تكاليف التدريب؟",
    ),
    "hi": Meeting(
        title="संस्करण 2.5 के विमोचन की बैठक",
        recording="उत्पाद-बैठक.m4a",
        summary="टीम ने विमोचन की तिथि पर चर्चा की। परीक्षण परिवेश (QA) में गड़बड़ी के कारण विमोचन 15 दिसंबर तक टाल दिया गया।\n"
        "- अगले वर्ष का बजट स्वीकृत हुआ: ₹25,000।\n- प्रिया शुक्रवार तक ग्राहकों को लिखेंगी।",
        topic="विमोचन की तिथि",
        said=(
            ("राजेश शर्मा", "सभी को सुप्रभात, हम उत्पाद बैठक शुरू करते हैं। PostgreSQL 17 में स्थानांतरण की क्या स्थिति है?"),
            ("प्रिया", "काम अपेक्षा से धीमा है, इसलिए हमने विमोचन को 15 दिसंबर तक टालने का निर्णय लिया।"),
            ("राजेश शर्मा", "प्रिया, कृपया शुक्रवार तक ग्राहकों को लिखिए; विद्यार्थियों और श्रमिकों के मूल्य भी बताइए।"),
            ("Ben Miller", "प्रशिक्षण का खर्च कौन उठाएगा? यह प्रश्न अगली बार देखेंगे।"),
        ),
        decision="विमोचन 15 दिसंबर तक टाला जाता है।",
        task="ग्राहकों को लिखना",
        due="शुक्रवार",
        question="प्रशिक्षण का खर्च कौन उठाएगा?",
    ),
    "th": Meeting(
        title="การประชุมเปิดตัวรุ่น 2.5",
        recording="ประชุมผลิตภัณฑ์.m4a",
        summary="ที่ประชุมพิจารณากำหนดการเปิดตัวผลิตภัณฑ์และมีมติให้เลื่อนการเปิดตัวออกไปเป็นวันที่ 15 ธันวาคม "
        "เนื่องจากระบบทดสอบ (QA) ขัดข้องเมื่อสัปดาห์ที่แล้ว\n- งบประมาณปีหน้าได้รับอนุมัติ 25,000 บาท\n- มาลีจะเขียนถึงลูกค้าภายในวันศุกร์",
        topic="กำหนดการเปิดตัว",
        said=(
            ("สมชาย", "สวัสดีครับทุกท่าน เรามาเริ่มการประชุมผลิตภัณฑ์กันเลย การย้ายฐานข้อมูลไปยัง PostgreSQL 17 เป็นอย่างไรบ้างครับ"),
            (
                "มาลี",
                "การย้ายฐานข้อมูลช้ากว่าที่คาดไว้เพราะสภาพแวดล้อมสำหรับการทดสอบขัดข้อง"
                "อยู่สองวันเราจึงตัดสินใจเลื่อนการเปิดตัวไปเป็นวันที่ 15 ธันวาคมค่ะ",
            ),
            ("สมชาย", "คุณมาลีช่วยเขียนถึงลูกค้าภายในวันศุกร์ด้วยนะครับ รวมทั้งบริษัท Acme Ltd. น้ำหนักไม่เกิน 5 กก."),
            ("Ben Miller", "แล้วใครจะจ่ายค่าฝึกอบรมครับ เรื่องนี้ไว้คุยกันคราวหน้า"),
        ),
        decision="เลื่อนการเปิดตัวไปเป็นวันที่ 15 ธันวาคม",
        task="เขียนถึงลูกค้า รวมทั้งบริษัท Acme Ltd.",
        due="วันศุกร์",
        question="ใครจะจ่ายค่าฝึกอบรม",
    ),
    "zh": Meeting(
        title="2.5 版发布会议",
        recording="产品例会.m4a",
        summary="团队讨论了发布时间。由于测试环境（QA）上周出现故障，发布推迟到12月15日。\n"
        "- 明年的预算已通过：两万五千元。\n- 玛丽亚将在周五之前给客户写邮件。",
        topic="发布时间",
        said=(
            ("王敏", "大家早上好，我们开始产品例会。数据库迁移到PostgreSQL 17的进展如何？"),
            ("玛丽亚", "迁移比预计慢，所以我们决定把发布推迟到12月15日上午10:30。"),
            ("王敏", "玛丽亚，请在周五之前给客户写邮件，也包括Acme Ltd.，价格是每月“九十九元”。"),
            ("Ben Miller", "谁来支付培训的费用？这个问题下次再讨论。繁體字與麒麟、喆、囍也要能印出來。"),
        ),
        decision="发布推迟到12月15日上午10:30。",
        task="给客户写邮件，也包括Acme Ltd.",
        due="周五之前",
        question="谁来支付培训的费用？",
    ),
    "ko": Meeting(
        title="2.5 버전 출시 회의",
        recording="제품-회의.m4a",
        summary="팀은 출시 일정을 논의했습니다. 지난주 테스트 환경(QA)의 장애 때문에 출시를 12월 15일로 미루었습니다.\n"
        "- 내년 예산 25,000,000원이 승인되었습니다.\n- 박서연 씨가 금요일까지 고객에게 메일을 씁니다.",
        topic="출시 일정",
        said=(
            (
                "김민수",
                "모두 안녕하세요, 제품 회의를 시작하겠습니다. PostgreSQL 17로 옮기는 작업은 어떻게 되고 있나요?",
            ),
            ("박서연", "예상보다 느려서 출시를 12월 15일 오전 10시 30분으로 미루기로 결정했습니다."),
            ("김민수", "서연 씨, 금요일까지 고객에게 메일을 써 주세요. Acme Ltd.에도 보내 주시고요."),
            ("Ben Miller", "교육 비용은 누가 냅니까? 그 문제는 다음에 논의합시다."),
        ),
        decision="출시를 12월 15일 오전 10시 30분으로 미룹니다.",
        task="고객에게 메일 쓰기 (Acme Ltd. 포함)",
        due="금요일",
        question="교육 비용은 누가 냅니까?",
    ),
}


def meeting_in(language: str) -> tuple[Transcript, Minutes, str]:
    """Return the transcript, minutes and recording's name of a language's meeting."""
    meeting = MEETINGS[language]
    segments = tuple(
        Segment(
            id=n,
            channel=0,
            speaker=speaker,
            start_s=SECONDS_A_LINE * n,
            end_s=SECONDS_A_LINE * (n + 1) - 1,
            text=text,
        )
        for n, (speaker, text) in enumerate(meeting.said)
    )
    transcript = Transcript(
        duration_s=SECONDS_A_LINE * len(segments),
        language=language,
        languages=(),
        segments=segments,
        coverage=(),
        model=ModelInfo(name="large-v3-turbo"),
    )
    proofs = [Evidence(segment_ids=(segment.id,), quote=segment.text) for segment in segments]
    minutes = Minutes(
        title=meeting.title,
        language=language,
        writer="llm",
        model="qwen3-8b",
        summary=meeting.summary,
        participants=tuple(dict.fromkeys(speaker for speaker, _ in meeting.said)),
        topics=(Topic(title=meeting.topic, summary="", start_s=0.0, end_s=16.0, evidence=proofs[0]),),
        decisions=(Decision(text=meeting.decision, evidence=proofs[1]),),
        action_items=(ActionItem(task=meeting.task, owner=meeting.said[1][0], due=meeting.due, evidence=proofs[2]),),
        open_questions=(OpenQuestion(text=meeting.question, evidence=proofs[3]),),
    )
    return transcript, minutes, meeting.recording
