"""Addresses that are the same, that only look so, and that are none; a prefix may come before."""

SAME_ADDRESS = [
    ("ann@x.example", "ANN@X.EXAMPLE"),
    ("k@x.example", "\u212a@x.example"),  # the sign for kelvin
    ("i@x.example", "I@x.example"),  # of which Turkish makes another letter
    ("caf\u00e9@x.example", "CAFE\u0301@x.example"),
    ("\u03bf\u03c2@x.example", "\u039f\u03a3@x.example"),  # the final sigma
    ("\uff41@x.example", "a@x.example"),
    ("a@b\u00fccher.example", "a@xn--bcher-kva.example"),
    ("a@XN--BCHER-KVA.example", "a@bu\u0308cher.example"),
    ("a@\uff58.example", "a@x.example"),
]
OTHER_ADDRESS = [
    ("\u0131@x.example", "i@x.example"),
    ("\u0430@x.example", "a@x.example"),  # Cyrillic
    ("\u00df@x.example", "ss@x.example"),
    ("a.b@x.example", "ab@x.example"),
    ("a@fass.example", "a@fa\u00df.example"),
]
NO_ADDRESS = [
    *(f"a{character}b@x.example" for character in "\u200b\u200d\u202e\u2066\u00ad\ufeff\x01\x7f"),
    *(f"a{character}b@x.example" for character in " \t\n\u00a0\u3000\u2028\u2800"),
    *(f"a@x{character}.example" for character in " \u200b\u202e_"),
    *("a@b@x.example", "a\uff20b@x.example", "\ufe6b@x.example", "a@x.example\n"),
    *("a@", "@x.example", "a@x.example.", "a@\u00fc..example", "a@\u00fc" + "x" * 70),
]
