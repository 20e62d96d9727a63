"""The sentences of the calibration set, by language, and the voice of each recording.

Numbers are those that Whisper writes as digits. Kept are languages whose synthetic voice a small model understands.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A recording to make: ``text`` as it is written, and ``spoken`` as the program needs it ("": the same).

    ``voice`` is the program's own name of it, ``rate`` words per minute (espeak-ng only).
    """

    program: Literal["espeak-ng", "festival", "flite"]
    voice: str
    text: str
    spoken: str = ""
    rate: int = 150


def _espeak(voice: str, text: str, *, spoken: str = "", rate: int = 150) -> Reading:
    return Reading(program="espeak-ng", voice=voice, text=text, spoken=spoken, rate=rate)


def _festival(voice: str, text: str) -> Reading:
    return Reading(program="festival", voice=voice, text=text)


READINGS: dict[str, tuple[Reading, Reading]] = {
    "ca": (
        _festival(
            "upc_ca_ona_hts",
            "La nova oficina de Girona obre el mes de març, i hi treballaran moltes persones. La Maria ja ha "
            "comprat les taules i les cadires. Envieu les vostres preguntes abans de dijous.",
        ),
        _festival(
            "upc_ca_ona_hts",
            "El tren de Barcelona arriba a la tarda. Demà plourà a tot el país, i farà molt de fred. El "
            "bitllet costa 86 euros, però els nens petits no paguen res.",
        ),
    ),
    "de": (
        _espeak(
            "de",
            "Im März kommen 240 Menschen nach Hamburg. Michael hat die Tische und die Lampen schon bestellt. "
            "Die Preise sind stabil, und wir haben genug Zeit.",
        ),
        _espeak(
            "de",
            "Guten Abend zusammen. Der Bus kommt am Nachmittag an. Im Sommer sind die Preise stabil. Das "
            "Essen kostet 86 Euro, und Kinder unter 15 Jahren fahren kostenlos.",
        ),
    ),
    "en": (
        Reading(
            program="flite",
            voice="slt",
            text="Our new office in Dublin opens on 15 March, and about 240 people will work there. Michael has "
            "ordered the tables and the lamps. Please send him your questions before Thursday evening.",
        ),
        _espeak(
            "en-gb",
            "The train to Edinburgh leaves from platform 12 and arrives after lunch. It will rain in the "
            "afternoon, so take a warm coat with you. A return ticket costs 86 pounds.",
        ),
    ),
    "es": (
        _espeak(
            "es+m7",
            "Buenos días a todos. Miguel ya compró las mesas y las plantas para la nueva oficina de 240 "
            "personas. Por favor, enviad las preguntas antes del jueves.",
            rate=140,
        ),
        _espeak(
            "es",
            "El tren llega por la tarde. Mañana no hace frío en el norte, pero hace mucho viento. La entrada "
            "cuesta 86 euros, y los niños menores de 14 años viajan gratis.",
        ),
    ),
    "fi": (
        _festival(
            "suo_fi_lj_diphone",
            "Uusi toimistomme avataan Turussa maaliskuussa, ja siellä työskentelee monta ihmistä. Mikko on jo"
            " tilannut pöydät ja tuolit. Lähettäkää kysymykset ennen torstaita.",
        ),
        _festival(
            "suo_fi_lj_diphone",
            "Juna Helsinkiin saapuu iltapäivällä. Pohjoisessa sataa lunta, ja etelässä paistaa aurinko. Kahvi"
            " maksaa kaksi euroa, ja pienet lapset matkustavat ilmaiseksi.",
        ),
    ),
    "ja": (
        _espeak(
            "ja",
            "おはようございます。新しいお店は三月に開きます。もくようびまでに、質問をおくってください。明日の会議は三時から始まります。",
            spoken="おはようございます。あたらしいおみせはさんがつにひらきます。もくようびまでに、しつもんをおくってくだ"
            "さい。あしたのかいぎはさんじからはじまります。",
        ),
        _espeak(
            "ja",
            "こんにちは。明日は東京で会議があります。午後三時に駅の前で会いましょう。何か質問がありますか。どうもありがとうございました。",
            spoken="こんにちは。あしたはとうきょうでかいぎがあります。ごごさんじにえきのまえであいましょう。なにかしつも"
            "んがありますか。どうもありがとうございました。",
            rate=140,
        ),
    ),
    "pt": (
        _espeak(
            "pt-br",
            "Boa tarde a todos. Amanhã vai chover no norte, então levem um casaco. O Miguel compra o café no dia 20 de "
            "junho. Por favor, falem com ele depois da festa.",
        ),
        _espeak(
            "pt-br",
            "Bom dia a todos. O nosso novo escritório abre no dia 15 de março. O Miguel já encomendou as "
            "mesas. Por favor, mandem as perguntas antes de quinta-feira.",
        ),
    ),
    "sv": (
        _espeak(
            "sv",
            "Anders har redan beställt bord och stolar till kontoret i Stockholm. Vi kommer fram på "
            "eftermiddagen. Skicka gärna era frågor före torsdag.",
        ),
        _espeak(
            "sv",
            "Tåget till Stockholm kommer fram på eftermiddagen. Biljetten kostar 86 kronor och barn reser "
            "gratis. Det är kallt i hela landet, så ta med en varm jacka.",
            rate=140,
        ),
    ),
}
