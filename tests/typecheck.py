"""The type checker that runs along with the tests: an int is a float here."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
