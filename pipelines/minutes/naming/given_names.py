"""Given names of Germany, France, Spain and their neighbours, which count where they have a capital letter."""

# ruff: noqa: SIM905  (lists of words are easier to read as text)

MORE_GIVEN_NAMES = frozenset(
    """
    adele alfons alina alfredo alvaro amélie andreas angelika anja anke annette antje antoine antonia arnaud astrid
    audrey aurélie axel beate bea begoña benoît bernd bertrand birgit björn brigitte bruno bärbel camille carsten
    cécile célia céline chiara chloé christa christoph clément clémence consuelo corinne cristina damien delphine
    detlef dieter dirk dolores dominique doreen dörte edith elfriede élise élodie émilie enrique erika ernesto esteban
    étienne fabian fabien fabienne florian françois françoise franz frédéric friedrich gabi gabriele gaëlle gerd gerhard
    gérard gisela guadalupe guido guillaume guillermo gunther günter günther hanna hartmut heike heiko heinrich heinz
    helga helmut hélène hendrik henning henri hervé hubert ignacio ilse inès inés inge ingo irina iris isabelle jaime
    jens jérôme jochen johanna jörg josé josefa joaquín joachim juan jürgen jutta kai karin karsten karl-heinz kathrin
    katharina katja katrin kerstin kirsten laetitia laurent leonie loïc lorena lothar lourdes luc lucía ludwig luisa
    lutz maike maite maja malte manfred manon manuela marcela marcos margarita margarethe margot mariana marie-claire
    mario markus marlies marlène martina mathieu mathilde matthias maxime mercedes michaela michel miguel mireille
    mohamed monique montserrat nathalie nicolas nicole nils nina noelia norbert nuria nico océane odile olaf olga
    olivier paloma pascal pascale patrice paola philippe pilar pía quentin rafael raúl regina reiner reinhard renate
    rené rocío rodrigo rolf romain rosario rüdiger sabrina salvador sandrine santiago sébastien séverine siegfried
    silke simone soledad sonja sophie stéphane stéphanie susana susanne sven svenja swantje sylvie tatjana thierry
    thorsten till timo tomás torsten udo ulf ulrich ulrike ursula ute uwe valérie vanesa verena verónica véronique
    vicente virginie volker walter werner wiebke wilfried wolfram xavier yannick yves yvette álvaro ángel ángela óscar
    """.split()
)
