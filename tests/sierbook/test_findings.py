"""What pages open with follows from results, and says what a corpus cannot tell."""

from __future__ import annotations

import pytest

from sierbook import derived, findings, trust_sentences
from sierbook.recorded import RECORDED
from tests.forged import BELOW, NEITHER, in_plain


@pytest.mark.parametrize("name", findings.FINDINGS)
@pytest.mark.parametrize("profile", ["smoke", "quick"])
def test_a_page_opens_with_five_findings(name: str, profile: str) -> None:
    found = derived.read_results(RECORDED / profile)[name]
    said = in_plain(findings.FINDINGS[name](found).values())
    assert len(said) == 5
    assert all(text.endswith(".") and "nan" not in text for text in said)


def test_findings_say_what_a_corpus_cannot_tell() -> None:
    found = derived.read_results(RECORDED / "smoke")["07-experiment"]
    found |= {"teachers": {}, "relabelled": {}}
    found["label_provenance"]["noise"] = {}
    found["shortcuts"]["split"] = {}
    said = findings.find_experiment(found)
    assert said["Teachers"] == trust_sentences.NOT_ASKED
    assert "nothing was planted" in said["Labels"] and "Of the sentences" not in said["Leaks"]
    nothing = {"scores": [], "randomised": [], "speech_share": 0.5}
    said = findings.find_explanations(nothing)
    assert said["Removal"] == "Nothing was removed." and said["Words"].startswith("Nobody knows")


def test_the_pairing_is_used_where_even_an_alike_partner_does_worse() -> None:
    found = derived.read_results(RECORDED / "smoke")["07-experiment"]
    for change, words in ((BELOW, "of the image more is used"), (NEITHER, "cannot be shown")):
        partners = {"any row": {"difference": BELOW}, "alike": {"difference": change}}
        found["shortcuts"]["exchanged"] = {"image": partners}
        assert words in findings.find_experiment(found)["Pairing"]
