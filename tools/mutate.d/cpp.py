"""C++ source as tokens: enough of the language to know a statement, a call and a comparison when it is seen.

Comments and preprocessor lines give no tokens. The sources are formatted by clang-format, which is relied on in one
place: an operator of two operands has a blank on both sides, and a template's brackets have not.
"""

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?P<blank>\s+|\\\n)
      | (?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<text>(?:u8|[uUL])?R"(?P<fence>[^()\\\s]*)\(.*?\)(?P=fence)"|(?:u8|[uUL])?"(?:\\.|[^"\\\n])*"
                |(?:u8|[uUL])?'(?:\\.|[^'\\\n])+')
      | (?P<number>\.?\d(?:'?[\w.]|(?<=[eEpP])[+-])*)
      | (?P<name>[A-Za-z_]\w*)
      | (?P<op><<=|>>=|<=>|->\*|\.\.\.|::|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)""",
    re.VERBOSE | re.DOTALL,
)
_DIRECTIVE = re.compile(r"[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.DOTALL)
_BLOCK_WORDS = {"{", "}", "if", "for", "while", "switch", "do", "else", "try", "case", "default", "public", "private"}
_CLOSER = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Token:
    kind: str  # text, number, name or op
    text: str
    start: int
    end: int


def tokens_of(source):
    """The tokens of a source, in order."""
    tokens, at, fresh_line = [], 0, True
    while at < len(source):
        directive = _DIRECTIVE.match(source, at) if fresh_line else None
        if directive:
            at, fresh_line = directive.end(), False
            continue
        match = _TOKEN.match(source, at)
        kind = match.lastgroup if match.lastgroup != "fence" else "text"
        if kind == "blank":
            fresh_line = fresh_line or "\n" in match.group()
        elif kind != "comment":
            tokens.append(Token(kind, match.group(), match.start(), match.end()))
            fresh_line = False
        at = match.end()
    return tokens


@dataclass
class Statement:
    """Tokens first..last, the last being its semicolon."""

    first: int
    last: int
    after: str  # what it hangs on: "if", "else", "for", "while", or "" for one that stands in its block


@dataclass
class Code:
    """A source with its brackets matched and its statements found."""

    source: str
    tokens: list = field(default_factory=list)
    mate: dict = field(default_factory=dict)  # opening bracket -> closing one, and back
    inside: list = field(default_factory=list)  # of each token: the innermost open bracket around it, or -1
    kinds: dict = field(default_factory=dict)  # opening brace -> "code", "class", "space" or "list"
    statements: list = field(default_factory=list)

    def text(self, first, last):
        return self.source[self.tokens[first].start : self.tokens[last].end]

    def line_of(self, index):
        return self.source.count("\n", 0, self.tokens[index].start) + 1

    def is_code(self, index):
        """True for a token in a function's body, also inside brackets there."""
        around = self.inside[index]
        while around >= 0:
            if self.tokens[around].text == "{" and self.kinds[around] != "list":
                return self.kinds[around] == "code"
            around = self.inside[around]
        return False


def parse(source):
    code = Code(source, tokens_of(source))
    open_brackets = []
    for index, token in enumerate(code.tokens):
        if token.text in (")", "]", "}") and token.kind == "op" and open_brackets:
            if _CLOSER[code.tokens[open_brackets[-1]].text] == token.text:
                opening = open_brackets.pop()
                code.mate[opening], code.mate[index] = index, opening
        code.inside.append(open_brackets[-1] if open_brackets else -1)
        if token.text in _CLOSER and token.kind == "op":
            if token.text == "{":
                code.kinds[index] = _brace_kind(code, index)
            open_brackets.append(index)
    code.statements = list(_statements(code))
    return code


def head_of(code, index):
    """The tokens between the last statement's end and an opening brace, as text, without what stands in brackets."""
    words, at = [], index - 1
    while at >= 0 and code.tokens[at].text not in (";", "{", "}"):
        words.append(code.tokens[at].text)
        at = code.mate.get(at, at) - 1 if code.tokens[at].text in (")", "]") else at - 1
    words.reverse()
    if words and words[0] == "template":
        depth = 0
        for position, word in enumerate(words):
            depth += {"<": 1, ">": -1, ">>": -2}.get(word, 0)
            if position and depth <= 0:
                return words[position + 1 :]
    return words


def _brace_kind(code, index):
    around = code.inside[index]
    outer = "space" if around < 0 else code.kinds.get(around, "list")
    before = code.tokens[index - 1] if index else None
    words = head_of(code, index)
    if "namespace" in words[:2] or (len(words) == 2 and words[0] == "extern"):
        return "space"
    if words and words[0] == "enum":
        return "list"
    if words and words[0] in ("class", "struct", "union"):
        return "class"
    if before is None:
        return "list"
    if before.text in (")", "]", "else", "do", "try", "const", "noexcept", "override", "final", "mutable", ":"):
        return "code"
    if before.text == "}":
        closed_list = code.kinds.get(code.mate.get(index - 1, -1)) == "list"
        return "code" if outer == "code" or closed_list else "list"
    if before.text in (";", "{"):
        return "code" if outer == "code" else "list"
    if "->" in words and before.kind == "name" or before.text in (">", "&", "*"):
        return "code" if ")" in words and words[words.index(")") :].count("->") else "list"
    return "list"


def _statements(code):
    """Every statement that ends in a semicolon and stands in a function's body."""
    for index in range(len(code.tokens)):
        around = code.inside[index]
        if around < 0 or code.kinds.get(around) != "code" or code.tokens[index].text in _BLOCK_WORDS:
            continue
        after = _begins_statement(code, index)
        if after is None:
            continue
        last = index
        while last < len(code.tokens) and not (code.tokens[last].text == ";" and code.inside[last] == around):
            last = max(last, code.mate.get(last, last)) + 1
        if last < code.mate.get(around, 0):
            yield Statement(index, last, after)


def _begins_statement(code, index):
    """What a statement hangs on when one begins at this token, "" for its block, None where none begins."""
    before = code.tokens[index - 1]
    if before.text in ("else", "do"):
        return before.text
    if before.text in (";", "}"):
        return "" if code.kinds.get(code.mate.get(index - 1, -1)) != "list" else None
    if before.text == "{":
        return ""
    if before.text == ":":
        words = [token.text for token in code.tokens[max(0, index - 8) : index - 1]]
        return "" if "case" in words or words[-1:] == ["default"] else None
    if before.text == ")":
        opening = code.mate.get(index - 1, 0)
        keyword = code.tokens[opening - 1].text
        if keyword == "constexpr":
            keyword = code.tokens[opening - 2].text
        return keyword if keyword in ("if", "for", "while", "switch") else None
    return None
