from toy.world import KIND_COLOURS, Kind


def test_a_kinds_value_is_its_place_in_tables_of_kinds():
    assert [(kind.name, int(kind)) for kind in Kind] == [("SOUND", 0), ("SHORTCUT", 1), ("FLAWED", 2), ("UNSOUND", 3)]


def test_every_kind_has_its_own_colour():
    assert list(KIND_COLOURS) == list(Kind)
    assert len({*KIND_COLOURS.values()}) == 4
    assert KIND_COLOURS[Kind.SOUND] == "#44AA99"
