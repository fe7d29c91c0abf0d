"""Prints variables and arguments with what Python's os.path.expandvars makes
of them, for expand_test.cc. The same cases on every run."""

import os
import random

VARIABLES = {
    b"A": b"1",
    b"AB": b"two",
    b"A_1": b"under",
    b"_": b"low",
    b"1": b"digit",
    b"EMPTY": b"",
    b"DOLLAR": b"$",
    b"NESTED": b"$A ${AB}",
    b"OPEN": b"${",
    b"BRACE": b"}",
    b"WITH SPACE": b"space",
    b"WITH-DASH": b"dash",
    b"WITH$DOLLAR": b"odd",
    b"{": b"brace",
    b"\xff\xfe": b"raw name",
    b"RAW": b"\xff\x80\n\t raw",
    "\u00e9".encode(): "caf\u00e9".encode(),
    b"URL": b"tcp://[fd00::4]:23456",
}

BY_HAND = [
    b"", b"$", b"$$", b"$$$", b"$A", b"${A}", b"$$A", b"$${A}", b"$A$AB$A_1",
    b"${}", b"${", b"$}", b"{A}", b"${A", b"$A}", b"${A}}", b"${{}", b"${{A}}",
    b"${WITH SPACE}", b"$WITH SPACE", b"${WITH-DASH}", b"$WITH-DASH",
    b"${WITH$DOLLAR}", b"$WITH$DOLLAR", b"${NO$A}", b"${NO${A}}", b"$NO$A",
    b"$NESTED", b"${NESTED}x", b"$DOLLAR", b"${DOLLAR}A", b"${DOLLAR}{A}",
    b"${OPEN}A}", b"$OPEN$A$BRACE", b"${A$BRACE", b"$EMPTY", b"a${EMPTY}b",
    b"$1", b"$1A", b"$_", b"$_A", b"${_}A", b"$A.b", b"$A-b", b"$A/b", b"$A:b",
    b"\\$A", b"'$A'", b'"$A"', b"$(A)", b"$((A))", b"$A=$AB", b"~/$A", b"$ A",
    b"$\nA", b"${A\n}", b"${\n}", b"$\xff\xfe", b"${\xff\xfe}", b"\xff$A\xfe",
    b"$A\xff", b"$AB\xc3\xa9", "$\u00e9".encode(), "${\u00e9}".encode(),
    b"$RAW", b"${RAW}", b"--dist-url=$URL", b"%A%", b"$a", b"${a}",
    b"$A" * 500,
]

PIECES = (
    [b"$" + name for name in VARIABLES]
    + [b"${" + name + b"}" for name in VARIABLES]
    + [b"$", b"$", b"${", b"{", b"}", b"$NO", b"${NO}", b"${}", b"\\", b" ",
       b"-", b"_", b"0", b"x", b"A", b"\n", b"\xff", b"\xc3\xa9", b"="]
)


def emit(kind, first, second):
    print(kind, "x" + first.hex(), "x" + second.hex())


def main():
    rng = random.Random(20)
    cases = list(BY_HAND)
    for _ in range(1000):
        cases.append(b"".join(rng.choices(PIECES, k=rng.randint(1, 8))))
    for _ in range(300):  # bytes that know nothing of the grammar
        cases.append(bytes(rng.choices(b"${}AB_1 \xff", k=rng.randint(1, 24))))

    os.environb.clear()
    os.environb.update(VARIABLES)
    for name, value in VARIABLES.items():
        emit("variable", name, value)
    for case in cases:
        expected = os.path.expandvars(case)
        as_text = os.path.expandvars(os.fsdecode(case))
        assert os.fsencode(as_text) == expected, case
        emit("case", case, expected)


main()
