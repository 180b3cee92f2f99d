"""Kinds of secrets and of innocents as programs have them, each with several examples.

In HIDDEN, the secret stands between "‹" and "›"; a text of KEPT has no secret.
"""

from __future__ import annotations

from typing import Any

import pytest
from test_redact_places import KEY, dumped

from keeptrace.redact.names import grade
from keeptrace.redact.spans import GUESS, STRONG, WEAK

# What a name is -> the grade, and names.
GRADES: dict[str, tuple[int, str]] = {
    "a password of an owner, joined": (STRONG, "dbpass adminpass SUDOPASS requirepass trustStorePass"),
    "a pass of somebody else": (GUESS, "forward_pass boarding_pass RABBITMQ_DEFAULT_PASS"),
    "a word with pass at its end": (0, "bypass compass trespass highpass has_dbpass"),
    "a service behind the name": (STRONG, "password_db api_key_openai PASSPHRASE_KUCOIN"),
    "another word behind the name": (0, "password_db_id token_user_name secret_garden"),
    "keys of one kind": (GUESS, "signing_keys FERNET_KEYS jwtKeys"),
    "a qualifier behind a foreign word": (STRONG, "senha_banco wachtwoord_db kennwort_alt пароль_бд"),
    "a field with a foreign word": (0, "senha_field_id passwort_label haslo_len"),
    "a foreign key": (STRONG, "chiave_privata claveAcceso cle_api llave_secreta kata_sandi mat_khau"),
    "a foreign word with another meaning": (WEAK, "parola jeton secreto"),
    "a key of object storage": (GUESS, "storage_key azure_storage_key"),
}  # fmt: skip


@pytest.mark.parametrize("what", GRADES)
def test_the_grade_of_a_kind_of_names(what: str) -> None:
    """Names of one kind have one grade."""
    expected, names = GRADES[what]
    assert {name: grade(name) for name in names.split()} == dict.fromkeys(names.split(), expected)


@pytest.mark.parametrize("name", ["senha_banco", "пароль_бд", "dbpass", "FERNET_KEYS", "cle_api"])
def test_such_a_name_hides_in_values_and_in_texts(name: str, tmp_path: Any) -> None:
    """The tables of names and of their stems agree."""
    assert KEY not in dumped(tmp_path, {name: KEY}, include_source=False)
    assert KEY not in dumped(tmp_path, f"the line {name}={KEY} is wrong", include_source=False)
