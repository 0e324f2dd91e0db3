"""The one-line faults that can be planted in a source. Each mutator yields (first, last, replacement) over tokens."""

import bisect
import hashlib
import re
from dataclasses import dataclass

import cpp

_RELATIONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
_ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "/", "&": "|", "|": "&", "^": "|", "<<": ">>", ">>": "<<"}
_COMPOUND = {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "&=": "|=", "|=": "&=", "<<=": ">>=", ">>=": "<<="}
_STEPS = {"++": "--", "--": "++"}
_VALUE_ENDS = (")", "]", "}")

# What brings memory near before it is used. Whatever it is told, the program does the same.
_PREFETCHES = {"prefetch", "__builtin_prefetch"}
# Calls whose arguments are no logic of the program: invariants, logs, annotations, points for tests, hints.
_UNTOUCHED_CALLS = _PREFETCHES | {
    "assert", "static_assert", "alignas", "decltype", "noexcept", "sizeof", "fprintf", "printf", "CAIRN_AT",
    "reserve", "shrink_to_fit",
}
_UNTOUCHED_PREFIXES = ("CAIRN_CHECK", "CAIRN_KILL", "CAIRN_GUARDED", "CAIRN_REQUIRES", "CAIRN_EXCLUDES", "spdlog")
_LOG_LEVELS = {"debug", "info", "warning", "warn", "error", "critical", "trace"}
# Without them the program does the same, a little slower.
_HINTS = _PREFETCHES | {"reserve", "shrink_to_fit", "static_cast", "yield"}
_SYMMETRIC = {"min", "max", "swap", "tie", "hypot", "equal", "minmax", "gcd", "lcm", "fma", "isless"}
# Names that stand before a bracket and are no call.
_KEYWORDS = {"if", "for", "while", "switch", "return", "catch", "sizeof", "new", "delete", "throw", "co_return"}
_DECLARATION_WORDS = {
    "const", "auto", "int", "double", "float", "bool", "char", "void", "struct", "class", "typename", "unsigned", "long",
}
_ERRORS = re.compile(
    r"(invalid_argument|not_found|failed_precondition|resource_exhausted|unavailable|data_loss|deadline_exceeded"
    r"|internal_error|Status|\w*_error|\w*[sS]tatus_?)$"
)


@dataclass(frozen=True)
class Mutant:
    file: str  # from the root of the tree
    line: int
    mutator: str
    start: int
    end: int
    replacement: str
    before: str  # the lines it touches, as they are
    after: str  # and with the fault
    place: str  # "line": it matters when its line runs; "anywhere": it may matter whatever runs
    id: str

    def applied_to(self, source):
        return source[: self.start] + self.replacement + source[self.end :]


def mutants_of(file, source, lines=None):
    """Every mutant of a source whose first changed line is among `lines` (None: anywhere), in the order of the text."""
    code = cpp.parse(source)
    untouched = _untouched(code) | (_asserted_bodies(code) if file.endswith((".cc", ".cu")) else set())
    line_starts = [0] + [match.end() for match in re.finditer("\n", source)]
    found = {}
    for mutator, plant in _MUTATORS.items():
        for first, last, replacement in plant(code):
            start, end = code.tokens[first].start, code.tokens[last].end
            line = bisect.bisect_right(line_starts, start)
            if any(index in untouched for index in (first, last)) or (lines is not None and line not in lines):
                continue
            if replacement != source[start:end]:
                found.setdefault((start, end, replacement), (line, mutator, _place(code, first)))
    return [_mutant(file, source, *place, *what) for place, what in sorted(found.items())]


def _place(code, index):
    """Outside of functions, and in what a compiler may work out, no counting of lines tells who depends on a token."""
    around, outermost = code.inside[index], -1
    while around >= 0:
        if code.kinds.get(around) == "code":
            outermost = around
        around = code.inside[around]
    if outermost < 0 or {"constexpr", "consteval"} & set(cpp.head_of(code, outermost)):
        return "anywhere"
    first = index
    while code.tokens[first - 1].text not in (";", "{", "}"):
        first -= 1
    return "anywhere" if {"constexpr", "static"} & {token.text for token in code.tokens[first:index]} else "line"


def _mutant(file, source, start, end, replacement, line, mutator, place):
    from_line = source.rfind("\n", 0, start) + 1
    to_line = source.find("\n", end)
    to_line = len(source) if to_line < 0 else to_line
    before = source[from_line:to_line]
    after = source[from_line:start] + replacement + source[end:to_line]
    # The same line elsewhere in the file is another mutant; a line that moved is the same one.
    earlier = source.count(before, 0, from_line)
    name = "\0".join((file, before, after, str(earlier)))
    digest = hashlib.sha1(name.encode()).hexdigest()[:8]
    return Mutant(file, line, mutator, start, end, replacement, before, after, place, digest)


# ---- what is left alone ----------------------------------------------------------------------------------------------


def _untouched(code):
    """The tokens that no fault is planted in."""
    masked = set()
    tokens = code.tokens
    for index, token in enumerate(tokens):
        if token.text in ("template", "operator") and index + 1 < len(tokens):
            masked.update(range(index, _template_end(code, index + 1) + 1))
        elif token.text in ("using", "typedef", "friend"):
            masked.update(range(index, _next(code, index, ";")))
        elif token.text == "[" and index + 1 < len(tokens) and tokens[index + 1].text == "[":
            masked.update(range(index, code.mate.get(index, index) + 1))
        elif token.text == "{" and code.kinds[index] == "list" and "enum" in _words_before(code, index):
            masked.update(range(index, code.mate.get(index, index) + 1))
        elif token.text == "(" and index and _is_untouched_call(code, index):
            masked.update(range(_callee_first(code, index), code.mate.get(index, index) + 1))
    for statement in code.statements:
        if statement.after == "for" and _is_prefetch(code, statement):
            masked.update(range(code.mate[statement.first - 1], statement.first))
    return masked


def _is_prefetch(code, statement):
    """The whole statement is one such call."""
    closing = statement.last - 1
    opening = code.mate.get(closing, closing)
    return code.tokens[opening - 1].text in _PREFETCHES and _callee_first(code, opening) == statement.first


def _asserted_bodies(code):
    """The bodies of constexpr functions that only a static_assert of this source calls: no program runs them."""
    tokens, asserted = code.tokens, set()
    for index, token in enumerate(tokens[:-1]):
        if token.text == "static_assert" and index + 1 in code.mate:
            asserted.update(range(index, code.mate[index + 1] + 1))
    masked = set()
    for name in {tokens[index].text for index in asserted if tokens[index].kind == "name"}:
        others = [at for at, token in enumerate(tokens) if token.text == name and at not in asserted]
        if len(others) != 1 or others[0] + 1 not in code.mate:
            continue
        body = code.mate[others[0] + 1] + 1
        if code.kinds.get(body) == "code" and {"constexpr", "consteval"} & set(cpp.head_of(code, body)):
            masked.update(range(body, code.mate.get(body, body) + 1))
    return masked


def _is_untouched_call(code, opening):
    name = code.tokens[opening - 1].text
    if name in _UNTOUCHED_CALLS or name.startswith(_UNTOUCHED_PREFIXES):
        return True
    callee = [token.text for token in code.tokens[_callee_first(code, opening) : opening]]
    if callee[:1] == ["spdlog"]:
        return True
    return name in _LOG_LEVELS and any("log" in word.lower() for word in callee[:-1])


def _callee_first(code, opening):
    """The first token of `a.b->c::d` before an opening bracket."""
    at = opening - 1
    while at >= 2 and code.tokens[at].kind == "name" and code.tokens[at - 1].text in (".", "->", "::"):
        if code.tokens[at - 2].kind != "name":
            break
        at -= 2
    return at


def _template_end(code, index):
    """From the `<` of `template <...>` to its end; the token itself where there is none (`operator<`)."""
    if code.tokens[index].text != "<" or code.tokens[index - 1].text == "operator":
        return index
    depth = 0
    for at in range(index, min(index + 200, len(code.tokens))):
        depth += {"<": 1, ">": -1, ">>": -2}.get(code.tokens[at].text, 0)
        if depth <= 0:
            return at
    return index


def _next(code, index, text):
    while index < len(code.tokens) and code.tokens[index].text != text:
        index += 1
    return index


def _words_before(code, index):
    words = []
    while index > 0 and code.tokens[index - 1].text not in (";", "{", "}"):
        index -= 1
        words.append(code.tokens[index].text)
    return words


# ---- looks at the neighbourhood --------------------------------------------------------------------------------------


def _spaced(code, index):
    """An operator of two operands: with a blank on both sides."""
    token = code.tokens[index]
    before, after = code.source[token.start - 1 : token.start], code.source[token.end : token.end + 1]
    return before.isspace() and after.isspace() and index and code.tokens[index - 1].text != "operator"


def _expression_around(code, index):
    """The tokens between the commas, semicolons or brackets around a token."""
    around, low, high = code.inside[index], index, index
    while low > 0 and low - 1 != around and code.tokens[low - 1].text not in (",", ";"):
        low = code.mate[low - 1] if low - 1 in code.mate and code.mate[low - 1] < low else low - 1
        if code.tokens[low].text == "}" or low == 0:
            break
    while high + 1 < len(code.tokens) and code.inside[high + 1] != -1 and code.tokens[high + 1].text not in (",", ";"):
        if high + 1 in code.mate and code.mate[high + 1] < high + 1:
            break
        high = code.mate.get(high + 1, high + 1)
    return range(low, high + 1)


def _is_about_text(code, index):
    """A sum of strings, or output into a stream."""
    words = [code.tokens[at] for at in _expression_around(code, index)]
    return any(word.kind == "text" or word.text in ("to_string", "string", "string_view", "endl", "flush") for word in words)


def _if_head(code, index):
    """The brackets of `if (...)` at a keyword, or None: (opening, closing)."""
    opening = index + 1
    if opening < len(code.tokens) and code.tokens[opening].text == "(" and opening in code.mate:
        return opening, code.mate[opening]
    return None


# ---- the mutators ----------------------------------------------------------------------------------------------------


def _relation(code):
    for index, token in enumerate(code.tokens):
        if token.kind == "op" and token.text in _RELATIONS and _spaced(code, index):
            yield index, index, _RELATIONS[token.text]


def _logic(code):
    for index, token in enumerate(code.tokens):
        if token.text in ("&&", "||") and _spaced(code, index):
            yield index, index, "||" if token.text == "&&" else "&&"


def _condition(code):
    """`if` and `while` with their condition turned round, `?:` with its two answers swapped, `!` left out."""
    heads = set()
    for index, token in enumerate(code.tokens):
        if token.text not in ("if", "while") or token.kind != "name" or not _if_head(code, index):
            continue
        opening, closing = _if_head(code, index)
        first = opening + 1
        for at in range(opening + 1, closing):
            if code.tokens[at].text == ";" and code.inside[at] == opening:
                first = at + 1
        declares = any(code.tokens[at].text == "=" and code.inside[at] == opening for at in range(first, closing))
        if first >= closing or declares:
            continue
        heads.add(first)
        condition = code.text(first, closing - 1)
        yield first, closing - 1, f"!({condition})" if token.text == "if" else f"false && ({condition})"
    for index, token in enumerate(code.tokens):
        if token.text == "!" and code.source[token.end] != " " and index not in heads:
            yield index, index, ""
        if token.text == "?" and _spaced(code, index):
            yield from _swapped_answers(code, index)


def _swapped_answers(code, question):
    around, colon, depth = code.inside[question], None, 0
    at = question + 1
    while at < len(code.tokens):
        text = code.tokens[at].text
        if code.inside[at] == around and at not in code.mate:
            if text == "?":
                return
            if text == ":" and colon is None:
                colon = at
            elif text in (",", ";"):
                break
        elif at in code.mate and code.mate[at] < at:
            break
        at = code.mate[at] + 1 if at in code.mate and code.mate[at] > at else at + 1
    if colon is not None and at - 1 > colon:
        first, second = code.text(question + 1, colon - 1), code.text(colon + 1, at - 1)
        yield question + 1, at - 1, f"{second} : {first}"


def _number_changed(text):
    """One more for a small whole number, ten per cent more for another; None for what is left alone."""
    match = re.fullmatch(r"(0[xXbB])([0-9a-fA-F']+)([uUlLzZ]*)", text)
    if match:
        value = int(match[2].replace("'", ""), 16 if match[1] in ("0x", "0X") else 2) ^ 1
        return f"{value:#x}{match[3]}"
    match = re.fullmatch(r"([0-9']+)([uUlLzZ]*)", text)
    if match:
        value = int(match[1].replace("'", ""))
        return f"{value + 1 if value < 10 else value + value // 10}{match[2]}"
    match = re.fullmatch(r"([0-9'.]+(?:[eE][+-]?\d+)?)([fFlL]?)", text)
    if match:
        value = float(match[1].replace("'", ""))
        changed = repr(float(f"{value * 1.1:.12g}") if value else 0.1)
        return (changed if "inf" not in changed else repr(value / 1.1)) + match[2]
    return None


def _constant(code):
    for index, token in enumerate(code.tokens):
        before = code.tokens[index - 1] if index else None
        if token.kind == "number":
            if before and (before.text == "<" and not _spaced(code, index - 1)):
                continue  # an argument of a template
            if before and before.text == "=" and code.tokens[index - 2].text in (")", "const", "noexcept", "override"):
                continue  # a pure virtual function
            changed = _number_changed(token.text)
            if changed is not None:
                yield index, index, changed
        elif token.kind == "name" and token.text in ("true", "false"):
            yield index, index, "false" if token.text == "true" else "true"


def _bound(code):
    """A size that is one short, where it is compared with or handed on."""
    for index, token in enumerate(code.tokens[:-3]):
        if token.kind == "name" and token.text in ("size", "end_offset", "length"):
            if [code.tokens[index + n].text for n in (-1, 1, 2)] in ([".", "(", ")"], ["->", "(", ")"]):
                if code.tokens[index + 3].text in (")", ";", ",") and code.is_code(index):
                    yield index + 2, index + 2, ") - 1"


def _arithmetic(code):
    for index, token in enumerate(code.tokens):
        if token.kind != "op" or not code.is_code(index):
            continue
        if token.text in _ARITHMETIC and _spaced(code, index):
            before = code.tokens[index - 1]
            if before.kind == "op" and before.text not in _VALUE_ENDS:
                continue
            if not _is_about_text(code, index) and not _is_output(code, index):
                yield index, index, _ARITHMETIC[token.text]
        elif token.text in _COMPOUND and _spaced(code, index) and not _is_about_text(code, index):
            yield index, index, _COMPOUND[token.text]
        elif token.text in _STEPS and code.tokens[code.inside[index] - 1].text != "for":
            yield index, index, _STEPS[token.text]


def _is_output(code, index):
    if code.tokens[index].text not in ("<<", ">>"):
        return False
    first = _expression_around(code, index)[0]
    return code.tokens[first].kind == "name" and code.tokens[first + 1].text in ("<<", ">>") and (
        code.tokens[first - 1].text in (";", "{", "}", ")", "else")
    )


def _sign(code):
    for index, token in enumerate(code.tokens):
        if token.text == "-" and index and code.source[token.end : token.end + 1].strip():
            before = code.tokens[index - 1]
            if before.text == "return" or (before.kind == "op" and before.text not in _VALUE_ENDS):
                yield index, index, ""


def _dropped(code):
    """A call, an assignment or an early way out that is not there."""
    for statement in code.statements:
        if _is_call(code, statement) or _is_assignment(code, statement) or _is_way_out(code, statement):
            yield statement.first, statement.last, ";"


def _is_call(code, statement):
    opening = statement.first
    while opening < statement.last and code.tokens[opening].text != "(":
        if code.tokens[opening].kind not in ("name", "op") or code.tokens[opening].text in ("=", "{", "<", ","):
            return False
        opening += 1
    words = code.tokens[statement.first : opening]
    if not words or words[-1].kind != "name" or words[0].text in _KEYWORDS or words[-1].text in _HINTS:
        return False
    if code.mate.get(opening) is None or any(a.kind == b.kind == "name" for a, b in zip(words, words[1:])):
        return False
    if words[-1].text == "CAIRN_ASSIGN_OR_RETURN" and not _is_assigned(code, opening):
        return False
    # The call may go on: f(x).with(y);
    at = code.mate[opening] + 1
    while at < statement.last and code.tokens[at].text in (".", "->") and code.tokens[at + 2].text == "(":
        at = code.mate.get(at + 2, statement.last) + 1
    return at == statement.last


def _is_assigned(code, opening):
    """The first argument is something that exists already, and no declaration."""
    first, last = _split(code, opening)[0]
    return all(code.tokens[at].kind != "name" or code.tokens[at + 1].kind != "name" for at in range(first, last)) and (
        not any(code.tokens[at].text in _DECLARATION_WORDS for at in range(first, last)))


def _is_assignment(code, statement):
    for at in range(statement.first, statement.last):
        text = code.tokens[at].text
        if code.inside[at] != code.inside[statement.first]:
            continue
        if text == "=" or text in _COMPOUND:
            left = [t for t in range(statement.first, at) if code.inside[t] == code.inside[statement.first]]
            words = [code.tokens[t] for t in left]
            adjacent = any(
                a.kind == "name" and (b.kind == "name" or b.text in ("&", "*", ">")) or a.text == ">" and b.kind == "name"
                for a, b in zip(words, words[1:])
            )
            return not adjacent and not any(word.text in _DECLARATION_WORDS for word in words)
    return False


def _is_way_out(code, statement):
    if code.tokens[statement.first].text not in ("return", "continue", "break"):
        return False
    if statement.after in ("if", "else"):
        return True
    block = code.inside[statement.first]
    if statement.after or block < 1:
        return False
    before = code.tokens[block - 1]
    if before.text == "else":
        return True
    opening = code.mate.get(block - 1, 0) if before.text == ")" else 0
    return opening > 0 and code.tokens[opening - 1].text == "if"


def _unchecked(code):
    """A Status that nobody looks at."""
    for statement in code.statements:
        first = code.tokens[statement.first]
        if first.text == "CAIRN_RETURN_IF_ERROR" and code.tokens[statement.first + 1].text == "(":
            closing = code.mate[statement.first + 1]
            yield statement.first, closing, f"static_cast<void>({code.text(statement.first + 2, closing - 1)})"


def _outcome(code):
    """A failure that is returned as OK."""
    for statement in code.statements:
        if code.tokens[statement.first].text != "return" or statement.last - statement.first < 2:
            continue
        words = []
        for at in range(statement.first + 1, statement.last):
            if code.inside[at] == code.inside[statement.first] and at not in code.mate:
                words.append(code.tokens[at])
        names = [word.text for word in words if word.kind == "name"]
        if "ok_status" in names:
            continue
        only_names = all(word.kind == "name" or word.text in ("::", ".", "->") for word in words)
        braced = code.text(statement.first, statement.last).startswith(("return {StatusCode", "return {cairn::StatusCode"))
        if braced or only_names and any(_ERRORS.match(name) for name in names):
            yield statement.first + 1, statement.last - 1, "{}"


def _arguments(code):
    """Two neighbouring arguments in each other's place."""
    for opening, token in enumerate(code.tokens):
        if token.text not in ("(", "{") or opening not in code.mate or code.mate[opening] < opening or opening < 1:
            continue
        name = code.tokens[opening - 1]
        if token.text == "{" and (code.kinds[opening] != "list" or not code.is_code(opening)):
            continue
        if token.text == "(" and (name.kind != "name" or name.text in _KEYWORDS or not code.is_code(opening)):
            continue
        if name.text in _SYMMETRIC:
            continue
        arguments = _split(code, opening)
        pairs = 0
        for left, right in zip(arguments, arguments[1:]):
            if pairs < 2 and _is_plain(code, left) and _is_plain(code, right) and _look_alike(code, left, right):
                pairs += 1
                first, second = code.text(left[0], left[1]), code.text(right[0], right[1])
                between = code.source[code.tokens[left[1]].end : code.tokens[right[0]].start]
                yield left[0], right[1], second + between + first


def _split(code, opening):
    parts, first = [], opening + 1
    for at in range(opening + 1, code.mate[opening] + 1):
        ends = at == code.mate[opening] or (code.tokens[at].text == "," and code.inside[at] == opening)
        if ends and at > first:
            parts.append((first, at - 1))
        if ends:
            first = at + 1
    return parts


def _is_plain(code, part):
    words = code.tokens[part[0] : part[1] + 1]
    if any(word.text in _DECLARATION_WORDS for word in words):
        return False
    if any(a.kind == "name" and (b.kind == "name" or b.text == "&") for a, b in zip(words, words[1:])):
        return False
    return all(word.kind in ("name", "number") or word.text in (".", "->", "::", "[", "]", "-", "*") for word in words)


def _look_alike(code, left, right):
    """What are plainly two types makes a mutant that does not compile, which costs time and says nothing."""
    first, second = code.tokens[left[0]], code.tokens[right[0]]
    options = [any("options" in word.text for word in code.tokens[part[0] : part[1] + 1]) for part in (left, right)]
    return (first.text == "*") == (second.text == "*") and options[0] == options[1]


_MUTATORS = {
    "relation": _relation,
    "logic": _logic,
    "condition": _condition,
    "constant": _constant,
    "bound": _bound,
    "arithmetic": _arithmetic,
    "sign": _sign,
    "unchecked": _unchecked,
    "dropped": _dropped,
    "outcome": _outcome,
    "arguments": _arguments,
}
MUTATORS = tuple(_MUTATORS)
