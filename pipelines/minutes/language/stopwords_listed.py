"""Stop words of languages without cues: those of the package stopwordsiso (MIT), and lists of our own beside it."""

# ruff: noqa: E501, SIM905  (lists of words are easier to read as text)

from collections.abc import Mapping

RELATED: Mapping[str, str] = {"bs": "hr", "nn": "no", "sr": "hr"}
"""Languages whose function words are, for the most part, those of another."""

HESITATIONS = frozenset("äh ähm öh öhm eh ehm euh hm hmm mhm mm uh uhm um ja jo nou né eee aaa".split())

OWN: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "jw": """
            lan karo ing saka kanggo iki iku kuwi kae apa sapa endi kapan kepiye piye amarga merga nanging yen nek wis
            uwis durung arep bakal lagi isih uga kabeh akeh sithik aku kowe sampeyan panjenengan dheweke kita awake dhewe
            ora dudu aja ana dadi bisa kudu mung banget maneh banjur terus sing kang menyang marang nganti nganggo
            kados sanes menika punika kula mboten sampun badhe saged kaliyan wonten inggih nggih mangga ya
        """,
        "kn": """
            ಮತ್ತು ಹಾಗೂ ಅಥವಾ ಆದರೆ ಆದ್ದರಿಂದ ಏಕೆಂದರೆ ಈ ಆ ಇದು ಅದು ಇವು ಅವು ಇವರು ಅವರು ಅವನು ಅವಳು ನಾನು ನಾವು ನೀನು ನೀವು
            ನನ್ನ ನಮ್ಮ ನಿನ್ನ ನಿಮ್ಮ ಅವರ ಅದರ ಇದರ ಒಂದು ಎರಡು ಎಲ್ಲ ಎಲ್ಲಾ ಕೆಲವು ತುಂಬಾ ಬಹಳ ಮಾತ್ರ ಕೂಡ ಸಹ ಇಲ್ಲ ಅಲ್ಲ ಇದೆ ಇವೆ
            ಇದ್ದು ಆಗಿದೆ ಆಗಿ ಎಂದು ಎಂಬ ಏನು ಯಾರು ಯಾವ ಎಲ್ಲಿ ಇಲ್ಲಿ ಅಲ್ಲಿ ಹೇಗೆ ಈಗ ಇಂದು ನಾಳೆ ನಂತರ ಮೊದಲು ಮೇಲೆ ಬಗ್ಗೆ ಹೌದು ಸರಿ
        """,
        "ml": """
            ഒരു ഈ ആ ഇത് അത് ഇവ അവ ഇവർ അവർ അവൻ അവൾ ഞാൻ ഞങ്ങൾ നമ്മൾ നീ നിങ്ങൾ എന്റെ നമ്മുടെ നിങ്ങളുടെ അവരുടെ എന്ന എന്ന്
            എന്നാൽ പക്ഷേ കൂടാതെ അല്ലെങ്കിൽ കാരണം ആണ് ആയി ആയിരുന്നു അല്ല ഇല്ല ഉണ്ട് വളരെ മാത്രം കൂടി എല്ലാ എല്ലാം ചില
            എന്ത് ആര് എവിടെ എങ്ങനെ എപ്പോൾ ഇവിടെ അവിടെ ഇപ്പോൾ ഇന്ന് നാളെ പിന്നെ ശേഷം മുമ്പ് വേണ്ടി ശരി അതെ നമുക്ക്
        """,
        "pa": """
            ਅਤੇ ਤੇ ਜਾਂ ਪਰ ਕਿ ਕਿਉਂਕਿ ਇਹ ਉਹ ਇਸ ਉਸ ਇਹਨਾਂ ਉਹਨਾਂ ਮੈਂ ਅਸੀਂ ਤੂੰ ਤੁਸੀਂ ਮੇਰਾ ਮੇਰੀ ਮੇਰੇ ਸਾਡਾ ਸਾਡੀ ਸਾਡੇ ਤੁਹਾਡਾ
            ਤੁਹਾਡੀ ਤੁਹਾਡੇ ਦਾ ਦੀ ਦੇ ਦੀਆਂ ਨੂੰ ਨੇ ਤੋਂ ਵਿੱਚ ਵਿਚ ਨਾਲ ਲਈ ਤੱਕ ਉੱਤੇ ਹੈ ਹਨ ਸੀ ਸਨ ਹਾਂ ਹੋ ਹੋਵੇਗਾ ਹੋਵੇਗੀ ਕਰ ਕਰਨ ਕੀਤਾ
            ਗਿਆ ਗਈ ਰਿਹਾ ਰਹੇ ਨਹੀਂ ਨਾ ਵੀ ਹੀ ਇੱਕ ਇਕ ਸਭ ਸਾਰੇ ਕੁਝ ਬਹੁਤ ਕੀ ਕੌਣ ਕਿੱਥੇ ਕਿਵੇਂ ਕਦੋਂ ਇੱਥੇ ਉੱਥੇ ਹੁਣ ਅੱਜ ਕੱਲ੍ਹ ਫਿਰ ਜੀ
        """,
        "ta": """
            ஒரு இந்த அந்த இது அது இவை அவை இவர் அவர் அவர்கள் அவன் அவள் நான் நாம் நாங்கள் நீ நீங்கள் என் எங்கள் நமது உங்கள் அவரது
            மற்றும் அல்லது ஆனால் எனவே ஏனெனில் என்று என்ற என என்ன யார் எங்கே எப்படி எப்போது ஏன் எந்த இங்கே அங்கே இப்போது இன்று
            நாளை பிறகு முன் மேலும் மிகவும் மட்டும் கூட எல்லா எல்லாம் சில பல உள்ள உள்ளது இல்லை ஆகும் இருந்து இருக்கிறது வேண்டும்
            முடியும் பற்றி போன்ற வரை ஆம் சரி தான்
        """,
        "te": """
            ఒక ఈ ఆ ఇది అది ఇవి అవి వీరు వారు అతను ఆమె నేను మేము మనం నువ్వు మీరు నా మా మన నీ మీ వారి దాని దీని మరియు లేదా
            కానీ కాబట్టి ఎందుకంటే అని అనే ఏమి ఏమిటి ఎవరు ఎక్కడ ఎలా ఎప్పుడు ఎందుకు ఏ ఇక్కడ అక్కడ ఇప్పుడు ఈరోజు రేపు తర్వాత
            ముందు చాలా మాత్రమే కూడా అన్ని అందరూ కొన్ని ఉంది ఉన్న ఉన్నాయి లేదు కాదు అయితే కోసం నుండి నుంచి వరకు గురించి అవును
            సరే మనకు మాకు మీకు
        """,
    }.items()
}
