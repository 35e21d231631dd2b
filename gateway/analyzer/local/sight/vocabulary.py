"""The general words that the network's classes come to, and when each of them is sure enough to be written.

The network knows a thousand classes, a hundred and eighteen of them breeds of dogs, and often takes one for its
neighbour. A word's score is therefore the sum over all classes that it is right for, and no breed, species or class is
ever named. A class may be right for several words; in each word's set it counts once.

A word is here only if its classes, as the pictures show them that the network was trained on, tell that thing from all
others. Left out on purpose:

- person, tree, forest, sky, sunset, rose, deer: ImageNet's challenge has no such classes, or too few of them;
- textures (velvet, wool, brick, honeycomb): the network sees them in noise, in skin and in grass;
- what could hurt where it is wrong: swimwear, underwear, weapons, medical things; apes and monkeys, under any word, for
  networks that know no people have taken people for them.

Indices are those of ImageNet's challenge of 2012. What they stand for is no part of the program; the comments name
what is easily mistaken.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from attrs import frozen

CERTAIN: Final = 0.85
"""A broad word this probable needs no narrower one; what the network does not know falls into one at 0.75."""
BACKING: Final = 0.5
"""How probable a narrower word must be for a broad one that is less than CERTAIN."""

NARROW: Final[Mapping[str, str]] = {
    # animals
    "bird": "7-24 80-100 127-146",
    "chicken": "7 8",
    "owl": "24",
    "peacock": "84",
    "parrot": "87-90",
    "duck": "97",
    "swan": "100",
    "flamingo": "130",
    "pelican": "144",
    "penguin": "145",
    "dog": "151-268",
    "wolf": "269-271",
    "fox": "277-280",
    "cat": "281-285",
    "big cat": "286-293",
    "lion": "291",
    "tiger": "292",
    "bear": "294-297",
    "insect": "300-326",
    "beetle": "300-307",
    "dragonfly": "319 320",
    "butterfly": "321-326",
    "spider": "72-77",
    "fish": "0-6 389-397",
    "frog": "30-32",
    "turtle": "33-37",
    "lizard": "38-48",
    "snake": "52-68",
    "lemur": "383 384",
    "elephant": "101 385 386",
    "horse": "339 603",
    "zebra": "340",
    "pig": "341-343",
    "cattle": "345-347",
    "sheep": "348 349",
    "camel": "354",
    "rabbit": "330-332",
    "squirrel": "335",
    "panda": "387 388",
    "whale": "147 148",
    "jellyfish": "107",
    "crab": "118-121 125",
    # vehicles; 479 and 581 are a car's wheel and grille
    "car": "436 468 479 511 581 609 627 656 661 717 751 817",
    "truck": "555 569 675 717 864 867",
    "bus": "654 779 874",
    "train": "466 547 565 705 820",
    "tram": "829",
    "tractor": "866",
    "motorcycle": "665 670",
    "bicycle": "444 671",
    "boat": "472 484 554 576 625 780 814 871 914",
    "ship": "403 510 628 724",
    "airplane": "404 895 908",
    "rocket": "657 744 812",
    "balloon": "417",
    "parachute": "701",
    # buildings and places; shops are seen from inside, and so are no buildings
    "castle": "483",
    "church": "497",
    "mosque": "668",
    "palace": "698",
    "lighthouse": "437",
    "bridge": "821 839 888",
    "fence": "489 716 912",
    "fountain": "562",
    "shop": "415 424 454 467 509 582 788 860 865",
    "tent": "672",
    "mountain": "970 980",
    "cliff": "972",
    "beach": "977 978",
    "coast": "460 718 976-978",
    "pier": "718",
    "coral reef": "973",
    # plants and food
    "flower": "984-986",
    "mushroom": "947 991-997",
    "fruit": "948-957",  # 958 is hay
    "apple": "948",
    "strawberry": "949",
    "citrus fruit": "950 951",
    "pineapple": "953",
    "banana": "954",
    "vegetable": "936-945 987",
    "bread": "930-932",
    "pizza": "963",
    "hamburger": "933",
    "hot dog": "934",
    "dessert": "927-929 960",
    "ice cream": "928",
    "coffee": "550 967",
    "cup": "504 967 968",
    "wine": "907 966",
    # things
    "chair": "423 559 765 857",
    "bed": "431 516 520 564",
    "sofa": "831",
    "lamp": "619 846",
    "clock": "409 530 892",
    "watch": "531 826",
    "candle": "470",
    "vase": "883",
    "bottle": "440 720 737 898 907",
    "bag": "414 636 748",
    "book": "453 454 624 917 921",
    "computer": "508 527 590 620 664 673 681 810",
    "phone": "487 528 707",
    "television": "851",
    "camera": "622 732 759 872",
    "binoculars": "447",
    "guitar": "402 546",
    "piano": "579 881",
    "drum": "541 822",
    "violin": "889",
    "cello": "486",
    "saxophone": "776",
    "uniform": "439 652",
    "formal wear": "457 834 906 982",
    "hat": "439 452 515 808",
    "shoes": "502 514 630 770 774",
    "helmet": "518 560 715",
    "sunglasses": "836 837",
    "ball": "429 430 522 574 722 768 805 852 890",
    "soccer": "805",
    "basketball": "430",
    "baseball": "429 981",
    "tennis": "752 852",
    "skiing": "795",
    "diving": "801 983",
    "teddy bear": "850",
    "puzzle": "611 918",
    "umbrella": "879",
    "traffic light": "920",
}

BROAD: Final[Mapping[str, str]] = {
    # no apes and no monkeys (365-382)
    "animal": "0-364 383-397",
    "mammal": "101-106 147-299 330-364 383-388",
    "reptile": "33-68",
    "rodent": "333-338",
    "crustacean": "118-125",
    # 406 is an altar, 621 a lawn mower, 657 and 744 fly
    "vehicle": "403-405 407 408 436 444 450 466 468 472 479 484 510 511 537 547 554 555 561 565 569 573 575 576 "
    "581 586 595 603 609 612 625 627 628 654 656 661 665 670 671 675 690 705 717 724 734 751 757 779 "
    "780 802 803 812 814 817 820 829 833 847 864 866 867 870 871 874 880 895 908 914",
    "watercraft": "403 472 484 510 554 576 625 628 724 780 814 833 871 914",
    "aircraft": "404 405 417 895 908",
    # without a narrower word to back it, a sun over the sea is 0.72 of a building
    "building": "425 437 442 449 483 497 498 500 538 580 634 663 668 698 727 832 853 858 873 900 915",
    "architecture": "437 442 483 497 538 663 668 682 698 821 832 839 853 858 873 884 888 900",
    "landscape": "970 972 974-980",
    "water": "449 460 472 536 562 718 973-978",
    "plant": "738 936-946 984-990 998",
    "food": "415 923-945 948-957 959-965 987",  # 946 is a flower, 947 a mushroom in a wood
    "furniture": "423 431 453 493 495 516 520 526 532 548 553 559 564 703 736 765 831 857 894",
    "electronics": "482 485 487 508 527 528 530 590 592 605 620 632 662 664 673 681 688 707 713 742 745 754 761 782 "
    "810 848 851",
    "musical instrument": "401 402 420 432 486 513 541 546 558 566 577 579 593 594 641 642 683 684 687 699 776 822 875 "
    "881 889",
    "clothing": "399 400 411 433 439 451 452 457 474 501 502 514 515 568 578 601 608 610 614 617 630 652 655 658 "
    "689 697 735 770 774 775 806 808 824 834 841 869 887 906",
    "sport": "416 422 429 430 450 522 543 560 574 602 702 722 746 747 752 768 795 805 852 890 981",
    "tool": "477 491 587 596 696 731 740 784 792",
    "toy": "850 865",
}


SAID_BEFORE: Final[Mapping[str, str]] = {"architecture": "building"}
"""What is narrower though it has classes of its own: a barn, say, is a building and no architecture."""


@frozen
class SeenWord:
    """A word for what is in a picture."""

    word: str
    probability: float
    is_broad: bool
    """Whether it says little: it is a general one, or a narrower one is seen as well."""


def words_of(probabilities: npt.NDArray[np.float32], min_probability: float) -> tuple[SeenWord, ...]:
    """All words that are sure by `min_probability`, each behind those that are narrower, else the most probable first.

    `probabilities` has one for each class; they sum up to 1.
    """
    scores = {word: _score(probabilities, classes) for word, classes in CLASSES_OF.items()}
    sure = [word for word in scores if scores[word] >= min_probability and _is_backed(word, scores)]
    in_turn = sorted(sure, key=lambda word: (_narrower_among(sure, word), -round(scores[word], 3)))
    return tuple(
        SeenWord(word, scores[word], is_broad=word in BROAD or not NARROWER_THAN[word].isdisjoint(sure))
        for word in in_turn
    )


def _narrower_among(words: Sequence[str], word: str) -> int:
    """How many: whatever is narrower than a word has fewer."""
    return sum(other in NARROWER_THAN[word] or other == SAID_BEFORE.get(word) for other in words)


def _score(probabilities: npt.NDArray[np.float32], classes: frozenset[int]) -> float:
    return min(float(probabilities[sorted(classes)].sum()), 1.0)


def _is_backed(word: str, scores: Mapping[str, float]) -> bool:
    """Whether a broad word is no mere guess; of narrow ones nothing more is asked."""
    if word not in BROAD or scores[word] >= CERTAIN:
        return True
    return any(scores[narrower] >= BACKING for narrower in NARROWER_THAN[word])


def _classes(ranges: str) -> frozenset[int]:
    """ "7 80-82" is 7, 80, 81 and 82."""
    pairs = [part.partition("-") for part in ranges.split()]
    return frozenset(index for first, _, last in pairs for index in range(int(first), int(last or first) + 1))


def _narrower_than(word: str, classes_of: Mapping[str, frozenset[int]]) -> frozenset[str]:
    return frozenset(other for other, classes in classes_of.items() if classes < classes_of[word])


CLASSES_OF: Final = {word: _classes(ranges) for word, ranges in {**NARROW, **BROAD}.items()}
NARROWER_THAN: Final = {word: _narrower_than(word, CLASSES_OF) for word in CLASSES_OF}
