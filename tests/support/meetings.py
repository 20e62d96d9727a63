"""Small meetings in languages without rules of their own, written for the tests."""

from pipelines.core import ModelInfo, Segment, Transcript

MEETINGS = {
    "de": """Guten Morgen zusammen, schön, dass ihr alle da seid.
Wir sprechen heute über das neue Lagerhaus in Leipzig.
Das Lagerhaus soll im März fertig sein, aber die Baugenehmigung fehlt noch.
Als ich mit dem Bauamt gesprochen habe, hieß es, dass die Baugenehmigung nächste Woche kommt.
Wenn die Baugenehmigung da ist, können wir das Lagerhaus ausschreiben.
Und was machen wir mit dem alten Lagerhaus, wenn das so ist?
Das alte Lagerhaus wird verkauft, das haben wir ja schon gesagt.
Gut, dann sehen wir uns am Freitag wieder.""",
    "es": """Buenos días a todos, gracias por venir a la reunión.
Hoy vamos a hablar de la biblioteca municipal y de su presupuesto.
La biblioteca necesita más ordenadores, pero el presupuesto es el mismo que el año pasado.
Una de las cosas que podemos hacer es pedir una subvención para la biblioteca.
Creo que la subvención cubriría la mitad de los ordenadores.
Entonces preparamos la subvención y lo vemos otra vez en junio.
Y el presupuesto lo revisa la oficina de la alcaldía.""",
    "nl": """Goedemorgen allemaal, fijn dat jullie er zijn.
Vandaag hebben we het over de fietsenstalling bij het station.
Een van de problemen is dat de fietsenstalling elke dag vol is.
Dat komt doordat de verhuurfietsen ook in de fietsenstalling staan.
Als we de verhuurfietsen verplaatsen, dan is er meer plaats.
De verhuurfietsen kunnen naar het parkeerterrein, dat is van de gemeente.
Nou, dan vragen we de gemeente om het parkeerterrein.""",
    "ar": """صباح الخير جميعا وشكرا على الحضور.
اليوم سوف نتحدث عن محطة تحلية المياه الجديدة.
محطة تحلية المياه تحتاج إلى مضخات جديدة قبل الصيف.
هل يمكن أن نشتري مضخات جديدة من الميزانية الحالية؟
نعم، الميزانية الحالية تكفي، لكن على المورد أن يوافق على السعر.
إذا وافق المورد على السعر فسوف تصل المضخات في مايو.""",
    "hu": """Jó reggelt mindenkinek, köszönöm, hogy eljöttetek.
Ma az új könyvtár felújításáról beszélünk, és arról, hogy mennyibe kerül.
A felújítás a tetővel kezdődik, mert a tető beázik.
Van egy ajánlat a tetőre, de az ajánlat drága.
Hogy mikor lesz kész a felújítás, azt még nem tudjuk.
Az ajánlat csak a tetőre szól, az ablakokra nem.""",
    "hi": """सभी को नमस्कार, आज हम नए अस्पताल के बारे में बात करेंगे।
अस्पताल में नई मशीनें चाहिए, लेकिन मशीनें बहुत महँगी हैं।
क्या हम मशीनें किराए पर ले सकते हैं?
हाँ, किराए पर मशीनें मिल सकती हैं, और अस्पताल का खर्च कम होगा।""",
    "ta": """அனைவருக்கும் வணக்கம், இன்று நாம் புதிய பள்ளிக்கூடம் பற்றி பேசுவோம்.
பள்ளிக்கூடம் கட்ட நிதி வேண்டும், ஆனால் நிதி இல்லை.
நிதி கிடைத்தால் பள்ளிக்கூடம் ஜூன் மாதம் திறக்கப்படும்.""",
    "ja": """皆さん、おはようございます。今日は新しい倉庫について話します。
倉庫のデータベースを来月までに移行しなければなりません。
データベースの移行には予算が必要です。
倉庫の予算はまだ足りませんので、来週もう一度話しましょう。""",
    "ko": """여러분 안녕하세요, 오늘은 새로운 공장에 대해서 이야기하겠습니다.
공장 건설 예산이 부족합니다. 그래서 예산 회의를 다시 해야 합니다.
예산 회의는 다음 주에 공장 건설 담당자와 함께 합니다.""",
    "th": """สวัสดีทุกคน วันนี้เราจะพูดเรื่องโรงงานใหม่
โรงงานใหม่ต้องใช้งบประมาณมาก
งบประมาณของโรงงานยังไม่พอ""",
    "cy": """Bore da bawb, diolch am ddod.
Heddiw rydym yn siarad am y llyfrgell newydd.
Mae'r llyfrgell newydd yn costio llawer o arian.""",
}


def meeting(language: str, text: str | None = None) -> Transcript:
    """Make the transcript of a meeting: a segment for each line, four seconds each."""
    lines = (text or MEETINGS[language]).splitlines()
    return Transcript(
        duration_s=4.0 * len(lines),
        language=language,
        languages=(),
        model=ModelInfo(name="test"),
        n_channels=1,
        segments=tuple(
            Segment(id=n, channel=0, speaker="", start_s=4.0 * n, end_s=4.0 * n + 3.5, text=line)
            for n, line in enumerate(lines)
        ),
        coverage=(),
    )
