"""English cues."""

# ruff: noqa: E501  (a pattern is easier to read on one line)

import re

from pipelines.minutes.language.cues import Cues, patterns

_ADVERB = (
    r"(?:(?:all|just|also|finally|now|then|already|actually|jointly|unanimously|basically|kind of|both|therefore) )*"
)
_WE = r"\b(?:we(?:'ve| have|'re| are)?|everyone|everybody|(?:the|this) (?:committee|board|team|group|council|panel)(?: has)?)"
_NAMES = r"(?P<who>(?:(?!\b(?:if|when|whether|because|that|not)\b)[\w'’-]+,? ){0,5}?[\w'’-]+)"

# Verbs of real work. "I will check" is a task when an object follows; "I'll see", "I'll try" never are.
_WORK = (
    r"(?:send|prepare|write|draft|update|review|finish|approve|present|cancel|postpone|sign|test|publish|rewrite|share|"
    r"check|complete|start|deliver|improve|move|close|open|reduce|increase|repair|replace|order|buy|sell|print|upload|"
    r"download|record|transcribe|summari[sz]e|translate|archive|delete|restore|restart|monitor|measure|plan|schedule|"
    r"confirm|reject|return|collect|install|upgrade|document|explain|estimate|call|email|e-mail|mail|contact|create|"
    r"fix|set up|follow up|look into|find out|circulate|organi[sz]e|investigate|arrange|book|design|build|finali[sz]e|"
    r"submit|report|verify|validate|research|compile|distribute|invite|negotiate|hire|train|deploy|release|migrate|"
    r"implement|clean up|reach out|work on|work out|add|remove|change|notify|inform|ask|correct|revise|edit|develop|"
    r"evaluate|compare|coordinate|check in|check with|speak (?:to|with)|talk to|meet with|get back to|take care of|"
    r"handle|provide|discuss)"
)
_WEAK_WORK = r"(?:get|make|bring|do|have|give|put|take|run|try|come|go|look|let you know|be done|be ready)"
_OBJECT = r" (?!(?:(?:you|it|that|this|them|him|her|us|one|some|to|email)\b[ .,!?]*)+$)\w.+"

EN = Cues(
    chinese=False,
    clause_break=re.compile(
        r";\s+|,? (?:and|but|so) (?=(?:\w+|\w+ and \w+) (?:will|is going to|should|needs to|has to)\b)"
        r"|, (?:and|but|so) (?=(?:i|we|he|she|they|please|can|could|let's)\b)"
        r"|,? (?:and|but) (?=(?:i'll|i will|we decided|we agreed)\b)",
        re.IGNORECASE,
    ),
    question=patterns(
        r"[?？؟][\"')]*$",
        r"^(?:(?:so|and|but|okay|ok|well|then|now|right),? |\w+, )?(?:is|are|was|were|do|does|did|have|has|can|could|should|"
        r"would|will|shall) (?:we|you|i|they|he|she|it|there|the|this|that|these|those|any|anyone|anybody|everyone|"
        r"everybody|somebody|someone|our|your)\b",
        r"^(?:(?:so|and|but|okay|ok|well|then|now),? )?(?:who|when|where|why|how(?: \w+)?|which \w+|what(?: \w+)?) (?:is|are|was|"
        r"were|do|does|did|can|could|should|would|will|happened) (?:we|you|i|they|he|she|it|there|the|this|that|our|your|"
        r"going|to)\b",
    ),
    tag_question=patterns(
        r"(?:,|\b) ?(?:right|okay|ok|yeah|huh|no|eh|you know|isn't it|aren't (?:we|they|you)|don't (?:you|we|they)|"
        r"doesn't it|didn't (?:we|you|it)|won't (?:we|it)|wasn't it|correct|you see|alright|all right)\?+$",
        r"^(?:\W*\w+){1,3}\W*$",
    ),
    procedural_question=patterns(
        r"\b(?:any|other|more|further|have a|have any) (?:\w+ )?(?:questions?|comments?|thoughts|remarks?|business|ideas)\b",
        r"\bhow are you\b|\bhow (?:can|may) i help\b|\bare you (?:there|ready|okay|done|finished)\b|\bready\b.{0,12}\?",
        r"\b(?:can|could|do|did) (?:you|everyone|everybody|anyone|we) (?:all )?(?:hear|see|understand|follow|know what)\b",
        r"\b(?:shall|should|can|could|may) (?:we|i) (?:start|begin|move on|continue|go on|get started|go ahead|stop|close)\b",
        r"\b(?:can|could|would|will|do) you (?:\w+ )?(?:repeat|say|tell|remind|go first|like|want|mean|mind|pass|explain)\b",
        r"\bwhat do you (?:\w+ )?think\b|\bwhat did you say\b|\bwhat was that\b|\bwhat(?:'s| is) (?:that|this|it)\?|"
        r"\bdo you know what\b|\bdoes that make sense\b|\bis that (?:right|okay|ok|correct|it|all)\b|\bwhy not\b",
    ),
    explicit_question=patterns(
        r"\b(?:the|an?|one|another|our|my)? ?(?:\w+ )?(?:open|unresolved|outstanding|remaining|unanswered) "
        r"(?:question|issue|point) (?:is|was|remains|here is|there is|for us is)[ ,:]+(?P<what>.+)",
        r"\b(?:we|i) (?:still|also still) (?:need|have) to (?:find out|clarify|figure out|work out|decide|determine|resolve) "
        r"(?P<what>(?:if|whether|how|who|what|when|where|which|why|on)\b.+)",
        r"\bit(?:'s| is| remains) (?:still |not yet |as yet )?(?:unclear|not clear|undecided|unknown|to be seen|an open question) "
        r"(?P<what>(?:if|whether|how|who|what|when|where|which|why)\b.+)",
        r"\b(?:we|i) (?:do not|don't) (?:yet know|know yet) (?P<what>(?:if|whether|how|who|what|when|where|which|why)\b.+)",
        r"(?P<what>.{12,}?) (?:is|remains) (?:still )?(?:open|undecided|unresolved|to be decided|to be determined)[.!]?$",
    ),
    answer=patterns(
        r"^(?:(?:well|so|oh|okay|ok|and),? )?(?:yes|yeah|yep|no|nope|sure|of course|right|exactly|because|maybe|probably|"
        r"certainly|definitely|absolutely|i (?:think|guess|believe|will|'ll|can|would|did|have)|i'll|i'd|we (?:can|will|did|"
        r"have|should|could|need|decided)|it (?:is|was|will|costs|depends)|it's|they (?:are|will|have)|that(?:'s| is| was| works)|"
        r"there (?:is|are|was)|about|around|by|on|in|let's)\b",
    ),
    no_answer=patterns(
        r"\b(?:don't|do not|didn't) know\b|\bnot sure\b|\bno idea\b|\bno clue\b|\bgood question\b|\blet me check\b|"
        r"\bfind (?:that )?out\b|\bcome back to (?:that|it|this)\b|\bget back to you\b|\blater\b[.!]*$|\bdepends\b[.!]*$|"
        r"\bhave to (?:check|see|wait)\b|\btake (?:that|it) offline\b|\bremains? open\b",
        r"\blet's (?:move on|continue|go on|start|get started|begin)\b|\bnext (?:item|point|topic)\b|\blast (?:item|topic)\b",
    ),
    decision=patterns(
        rf"{_WE} {_ADVERB}(?:decided|agreed|resolved|concluded|settled|voted|opted|chosen|chose)"
        r" (?:not )?(?:to|that|on|upon|for|against|in favou?r of|we)\b (?P<what>.+)",
        rf"{_WE} {_ADVERB}(?:approved?|adopt(?:ed)?|rejected|ratified|accepted?) (?:the|this|that|a|an|our|both|all)\b (?P<what>.+)",
        r"\b(?:the|our|my|a) (?:\w+ )?(?:decision|agreement|consensus|resolution|conclusion|verdict) "
        r"(?:is|was|has been(?: made)?|then is|here is|we made is)[ ,:]+(?:not )?(?:to|that|for|we|yes|no)\b (?P<what>.+)",
        r"\bdecision ?: (?P<what>.+)",
        r"\bit(?:'s| is| was| has been) (?:hereby |now |then |therefore )?(?:decided|agreed|resolved|settled)"
        r"(?: that| to|,|:) (?P<what>.+)",
        r"\b(?:let's|let us|we'll|we will|we're going to|we are going to|we should just|i say we) (?:just |then |all )?"
        r"(?:go with|go for|go ahead with|settle on|settle for|stick with|stick to|choose|opt for) (?P<what>\w.+)",
        r"^(?:(?:so|okay|ok|good|great|right|then),? )*(?:agreed|decided|approved|motion carried)[,:.] (?P<what>(?:\S+ ){2,}.+)",
        r"\b(?P<what>(?:the|this|that|our) (?:[\w'-]+ ){1,6}?(?:is|was|has been|are|were|have been) (?:hereby |now |unanimously |"
        r"formally )?(?:approved|adopted|carried|ratified|agreed|postponed until|cancel+ed|rejected))\b(?! by)",
        r"\b(?:so )?(?:we are|we're|everyone is|everybody is) (?:all )?agreed (?:that|on|to) (?P<what>.+)",
    ),
    decision_opening=patterns(
        rf"^(?:{_WE} {_ADVERB}(?:decided|agreed|resolved|concluded|settled|voted|opted|chosen|chose)"
        r"|(?:the|our|my|a) (?:\w+ )?(?:decision|agreement|consensus|resolution|conclusion|verdict) "
        r"(?:is|was|has been(?: made)?|then is|here is|we made is)"
        r"|it(?:'s| is| was| has been) (?:hereby |now |then |therefore )?(?:decided|agreed|resolved|settled)"
        r"|(?:so )?(?:we are|we're|everyone is|everybody is) (?:all )?agreed|decision ?:)"
        r"(?:[ ,:]+(?:to|that)\b| (?=not to\b)|(?<=:)|(?=[,:]))",
    ),
    decision_veto=patterns(
        r"\b(?:if|when|whenever|whether|unless|until|till|once|before|in case|suppose|supposing|thought|hoped|wish|wished|"
        r"pretend|as if|assuming|provided|not sure|don't think|do not think|doubt|don't remember|do not remember|"
        r"would have|could have|should have|might have|why|what|how|who|where|had we|unsure|remember)\b"
        r"(?:(?![.;!?]).){0,40}$",
        r"\b(?:not|never|n't|hardly|nobody|yet to|nothing|neither|no one)\b[^.;!?]{0,14}$",
    ),
    decided_before=patterns(
        r"^(?:(?:so|okay|ok|good|great|right|then|well),? )*(?:that|it|this)(?:'s| is) (?:then )?(?:decided|settled|agreed|a decision)"
        r"(?: then| now)?[.!]*$",
        r"\b(?:write|put|note|record|mark|take) (?:that|this|it) (?:down )?(?:as|in|into|for) (?:a|the|our) (?:decisions?|minutes)\b",
    ),
    assigned_before=patterns(
        rf"{_NAMES} (?:will(?: also| then| now)?|is going to|are going to|is gonna|are gonna|shall|'ll|needs? to|has to|have to|"
        r"must|should|agreed to|promised to|volunteered to|offered to|is supposed to|are supposed to)"
        r" (?P<task>(?!not\b|never\b|be (?:there|here|late|away|on vacation|able)\b|have\b|like\b|want\b|probably\b|see\b|"
        r"think\b|need\b|know\b|say\b|tell you\b)[a-z][\w'-]* .+)",
        rf"{_NAMES} (?:takes care of|take care of|is responsible for|are responsible for|is in charge of|takes over|owns|"
        r"is working on|will be (?:responsible for|in charge of)|has agreed to|has volunteered to) (?P<task>\w.+)",
        rf"{_NAMES},? (?:please|could you(?: please)?|can you(?: please)?|would you(?: please)?|will you(?: please)?|"
        r"you will|you'll|you should|you need to|you have to|your (?:task|job|action) is to|i need you to|i want you to|"
        r"i would like you to|i'd like you to) (?P<task>\w+ .+)",
    ),
    assigned_after=patterns(
        r"(?<!as )(?<!as an )\b(?:action(?: item| point)?s?|to-?do|task|follow-?up|homework)(?: is)? (?:for|to|on)[ ,:]+(?P<rest>\w.+)",
        r"\bassign(?:ed)? (?:this|that|it) to (?P<rest>\w.+)",
        r"\b(?:we|i|let's) (?:need|want|ask|would like|'d like|will ask|'ll ask|asked) (?P<rest>[\w'-]+ (?:and [\w'-]+ )?to [a-z].+)",
    ),
    assigned_back=patterns(
        r"\b(?:write|put|note|take|record|mark|log|add|assign)\b.{0,24}\b(?:action(?: item| point)?|to-?do|task)s?"
        r" (?:for|to|on) (?P<rest>\w.*)",
        r"\bthat(?:'s| is| will be| would be)? (?:an |the |your )?(?:action(?: item| point)?|to-?do|task) (?:for|on) (?P<rest>\w.*)",
        r"\b(?:that one|this one|that task|this task) (?:is for|goes to) (?P<rest>\w.*)",
    ),
    commitment=patterns(
        rf"\bi(?:'ll| will| shall|'m going to| am going to|'m gonna) (?:also |then |now |definitely |personally )?(?P<task>{_WORK}\b{_OBJECT})",
        rf"\bi (?:have to|need to|must|can|promise to) (?:also |still )?(?P<task>{_WORK}\b{_OBJECT})",
        rf"\b(?:let me|leave it to me to) (?P<task>(?!check\b|explain\b){_WORK}\b{_OBJECT})",
        r"\bi(?:'ll| will) (?P<task>take (?:care of|over|on) \w.+)",
    ),
    weak_commitment=patterns(
        rf"\bi(?:'ll| will| have to| need to| must) (?:also |then )?(?P<task>(?:{_WORK}|{_WEAK_WORK})\b .+)",
    ),
    acceptance=patterns(
        r"^(?:(?:yes|yeah|sure|okay|ok|of course|no problem|right|fine|all right|absolutely|certainly),? )*i(?:'ll| will| can|'m going to)"
        r" (?:do (?:that|it|this|so)|take (?:that|it|this)(?: on| over)?|take care of (?:that|it|this)|handle (?:that|it|this)|see to it)\b",
        r"^(?:(?:yes|yeah|sure|okay|ok),? )*(?:i'll|i will)[.!]?$",
    ),
    request=patterns(
        r"\b(?:can|could|would|will) you (?:guys |all |also |maybe |just )?(?:please )?(?P<task>[a-z]+ .+)",
        r"(?:^|[,.:] )(?:(?:so|and|then|okay|ok),? )?please (?P<task>(?!write (?:that|this)\b|note\b)[a-z]+ .+)",
    ),
    duty=patterns(
        rf"\b(?:we|they|somebody|someone|everyone|everybody|you)(?:'ll| will|'ve got to|'ve to| have to| need to| must| should|"
        rf" are going to) (?:all |also |really |just )?(?P<task>(?:{_WORK}|{_WEAK_WORK})\b .+)",
        r"(?P<task>\b(?:the|this|that|our|your|all) (?:[\w'-]+ ){1,6}?(?:must|has to|have to|needs to|need to|should|is to|are to) be "
        r"\w+(?: .+)?)",
        rf"\blet's (?P<task>{_WORK}\b .+)",
    ),
    deadline=patterns(
        r"(?P<task>\b(?:deadline|due date|target date|cut-?off(?: date)?) (?:for|of|to) .+?) (?:is|will be|was moved to|has been moved to|falls on)\b",
        r"(?P<task>\b(?:the|our|this) (?:[\w'-]+ ){0,5}?(?:deadline|due date))(?: for us| now)? (?:is|will be)\b",
        r"\b(?P<task>(?:the|this|that|our|your) (?:[\w'-]+ ){1,6}?(?:is|are) due)\b",
    ),
    task_veto=patterns(
        r"^(?:hear|see|imagine|believe|tell|say|repeat|elaborate|remember|remind|speak|talk|explain (?:that|this|it|what|why|how)|"
        r"give (?:us|me|you)|show (?:us|me|you)|go (?:ahead|first|on|back|to|through)|help|hold|wait|hang|look at|have a look|"
        r"move on|start with|be\b|come|stop|sit|excuse|forgive|note that|let|do (?:that|it|this|next|is)|have \w+$|think|understand|describe|outline|"
        r"comment|expand|clarify|confirm (?:that|if|whether)|respond|answer|ask (?:you|a|another|one|about)|call you back|take (?:that|this|it)\b|"
        r"welcome|turn to|bring (?:in|us)|add (?:to )?that|add (?:one|something|a few)|pass|skip|join me|open your|start (?:by|off|again)|"
        r"discuss (?:that|this|it)|work (?:on|out) (?:that|this|it)\b|have you|have (?:a|an|the) )",
    ),
    topic_shift=patterns(
        r"\b(?:let's|let us|we(?:'ll| will| can| should)|i(?:'d| would) like to|shall we|i'll) (?:now |then |quickly )?"
        r"(?:move on to|move on,? to|turn to|go on to|start with|begin with|continue with|come to|proceed to|switch to) "
        r"(?:discuss(?:ing)? )?(?P<what>(?!that\b|it\b|this\b)\w.+)",
        r"\b(?:the|our|my) (?:first|second|third|fourth|fifth|next|last|final) (?:point|item|topic|subject|issue)"
        r"(?: on (?:the|our|my|today's) (?:agenda|list))?(?: today| for today| here)? (?:is|was|concerns|will be)[ ,:]+(?P<what>\w.+)",
        r"^(?:(?:so|okay|ok|right|now|and),? )*(?:next|next up|moving on to|on to|turning to)[ ,:]+(?P<what>(?:the|our) \w.+)",
        r"\b(?:item|point|topic) (?:number )?(?:one|two|three|four|five|six|seven|eight|nine|\d+)(?: is|:|,| on the agenda is)+ (?P<what>\w.+)",
    ),
    topic_opening=patterns(
        r"^(?:(?:okay|ok|all right|alright|right|so|well|now|um|uh|and|then|good|great)\W+)*"
        r"(?:next\b|(?:we'll|we will|let's|we're going to|i'd like to|we|let us) (?:now |just )?"
        r"(?:move|go|turn|proceed|start|begin|continue)\b|the next (?:questions?|item|point|thing|topic)|moving on|"
        r"now\b.{0,20}\bturn to|first(?:ly)? of all|the (?:first|second|third|last|final) (?:thing|point|item|question))",
    ),
    topic_closing=patterns(r"\bthank(?:s| you)\b"),
    meeting_name=patterns(
        r"\bwelcome (?:everyone |everybody |all )?(?:back )?to (?:the|our|this|today's) "
        r"(?P<what>(?:[\w'-]+ ){1,5}?(?:meeting|call|sync|stand-?up|committee|workshop|board|review|seminar|conference))\b",
    ),
    introduction=patterns(
        r"\b(?:this is|my name is|my name's|i am called) (?P<person>\w.+)",
        r"^(?:(?:hi|hello|hey|good \w+|so|and|okay|yes)\b[\w ]{0,20}?,? )?(?:i'm|i am) (?P<person>\w+(?: \w+)?(?:,| from| and i | the | with the |[.!]?$).*)",
        r"^(?P<person>\w+(?: \w+)?) (?:here|speaking)\b",
        r"\b(?:please welcome|(?:we are|we're) joined by|with us (?:is|today is)|let me introduce) (?P<person>\w.+)",
    ),
    address=patterns(
        r"\b(?:thank you|thanks|hi|hello|hey|welcome|good (?:morning|afternoon|evening)|over to you|sorry|congratulations)"
        r"(?: very much| so much| a lot| everyone and)?,? (?P<person>\w.*)",
        r"^(?:(?:so|okay|ok|and|right|yes|no|well),? )?(?P<person>\w+(?: \w+)?),? (?:please|can you|could you|would you|will you|what do you|"
        r"do you|did you|are you|have you|how|what about you|you will|you should|you are|over to you)\b",
        r"\byou,? (?P<person>\w+)\?$",
        r"\?.{0,3} (?P<person>\w+)\?$",
        r", (?P<person>\w+)\?$",
    ),
    absent=patterns(
        r"(?P<person>\w+(?: \w+)?) (?:cannot|can't|could not|couldn't|won't be able to|is unable to|will not|won't) (?:join|attend|make it|be here|come)\b",
        r"(?P<person>\w+(?: \w+)?) is (?:on vacation|on holiday|sick|absent|away|out of (?:the )?office|ill)\b",
    ),
)
