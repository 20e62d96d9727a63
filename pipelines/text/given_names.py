"""Given names, to know a person by where upper and lower case say nothing."""

# ruff: noqa: E501, SIM905  (lists of words are easier to read as text; ideographs count double)

# Frequent given names of many countries, none of which is an everyday English word.
GIVEN_NAMES = frozenset(
    """
    aaron abigail adam adrian agnes ahmed aisha alan albert alejandro alex alexander alexandra alfred ali alice alicia
    alison allen amanda amelia amir amy ana andrea andrew andy angela anita ann anna anne annie anthony antonio arjun
    arthur ashley barbara beatrice ben benjamin bernard beth betty bob bobby boris brandon brenda brian bruce carl carla
    carlos carmen carol caroline catherine cecilia charles charlie charlotte chen chloe chris christian christina
    christine christopher claire clara claudia colin craig cynthia daniel daniela danny dave david deborah denise dennis
    derek diana diego dmitri dominic donald donna doris dorothy douglas dylan eddie edgar edith eduardo edward elaine
    elena eleanor eli elias elizabeth ella ellen emily emma emmanuel eric erica erik ernest esther ethan eugene eva
    evelyn fatima felix fernando fiona florence francis francisco frank fred frederick gabriel gareth gary george gerald
    gloria gordon grace graham greg gregory hannah hans harold harry hassan hector heidi helen helena henry herbert hugo
    ian ibrahim igor ines ingrid irene isaac isabel isabella ivan jack jackie jacob jacqueline james jan jane janet
    jason javier jean jeff jeffrey jennifer jenny jeremy jerry jessica jim jimmy joan joanna joe joel johan johannes john
    johnny jonas jonathan jorge jose joseph josh joshua juan judith judy julia julian julie juliet justin karen karl
    katarina kate katherine kathleen kathy katie keith kelly ken kenneth kevin kim kimberly klaus kurt kyle lakshmi lars
    laura lauren laurence lawrence lea leah lena leo leon leonard leonie leslie li liam liang lily lin linda lisa liu
    lorenzo louis louise lucas lucia lucy luis luke lukas lydia magdalena manuel marc marcel marco marcus margaret maria
    marianne marie marina mario marion marlene marta martha martin marvin mary mateo matt matthew maureen maya megan mei
    melanie melissa mia michael michelle miguel mike mila ming miriam mohamed mohammed monica monika moritz muhammad
    nadia nancy natalia natalie natasha nathan neil nicholas nick nicola nicole nina noah nora norman oleg oliver olivia
    omar oscar otto owen pablo pamela patricia patrick paul paula pauline pedro peggy peter petra phil philip phoebe
    pierre priya quinn rachel rahul ralph ramon raymond rebecca renee ricardo richard rita robert roberto robin roger
    roland ron ronald rosa rosemary roy ruben rudolf russell ruth ryan sabine sally sam samantha samuel sandra sanjay
    sara sarah scott sean sebastian sergei sergio sharon sheila shirley silvia simon sofia sonia sophia sophie stefan
    stella stephanie stephen steve steven stuart susan susanna suzanne svetlana sven sylvia tamara tanya ted teresa
    theodore theresa thomas tim timothy tina tobias todd tom tommy tony tracy valentina valerie vanessa vera veronica
    victor victoria vincent viola virginia vladimir walter wanda wang wayne wei wendy werner wilhelm william wolfgang
    xavier yan yasmin yolanda yuki yusuf yvonne zachary zhang zoe
    """.split()
)

# Chinese family names, the hundred most frequent and some more.
FAMILY_NAMES = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范廖贾夏韦"
    "付方邹孟熊秦邱江尹薛闫段雷侯陶黎贺顾郝龚邵严覃戴莫孔汤殷"
)
