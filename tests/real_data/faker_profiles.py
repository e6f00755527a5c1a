#!/usr/bin/env python3
"""Writes profile events made by Faker: data that looks real and that this project did not shape.

    faker_profiles.py [--count 50000] [--seed 1] OUT.ndjson

The same count, seed and version of Faker give the same file: no value depends on today's date.
E-mail addresses lie in example.com, .org and .net; phone numbers are random, so don't dial them.
"""

import argparse
import datetime
import json
import os
import random
import sys
import uuid

from faker import Faker

# Latin, Greek, Chinese, Japanese and Cyrillic letters; trunk prefixes, extensions, and postcodes
# with letters, blanks and hyphens.
LOCALES = ["en_US", "en_GB", "de_CH", "fr_FR", "pl_PL", "el_GR", "ja_JP", "uk_UA"]

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
OLDEST = datetime.date(1935, 1, 1)
YOUNGEST = datetime.date(2007, 12, 31)

NOTES = [
    "{sentence}",
    "{sentence} Reach me at {email}.",
    "{sentence} {phone}",
    "Card {card} was declined. {sentence}",
    "IBAN: {iban}\n{sentence}",
]


# ssn() of these countries is made from a date between 1970 and now, or from a generator that no seed
# reaches: plain digits of the same length instead.
NATIONAL_ID_DIGITS = {"PL": 11, "GR": 11, "UA": 10}


def national_id(fake: Faker) -> str:
    digits = NATIONAL_ID_DIGITS.get(fake.current_country_code())
    return fake.ssn() if digits is None else fake.numerify("#" * digits)


def profile(fake: Faker, choice: random.Random, number: int) -> dict:
    """One event. The order of the calls is part of what the seed means."""
    email = fake.safe_email()
    phone = fake.phone_number()
    iban = fake.iban()
    card = fake.credit_card_number()
    note = choice.choice(NOTES).format(sentence=fake.sentence(), email=email, phone=phone, card=card, iban=iban)
    born = fake.date_between_dates(date_start=OLDEST, date_end=YOUNGEST)
    time = START + datetime.timedelta(seconds=number)
    return {
        "event_id": str(uuid.UUID(int=choice.getrandbits(128), version=4)),
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "user_id": number,
        "name": fake.name(),
        "email": email,
        "phone": phone,
        "address": fake.address(),
        "postcode": fake.postcode(),
        "country": fake.current_country_code(),
        "birth_date": born.isoformat(),
        "national_id": national_id(fake),
        "iban": iban,
        "card": card,
        "ip": fake.ipv4() if choice.random() < 0.7 else fake.ipv6(),
        # Not user_agent(): half of its browsers put the present time into their version.
        "user_agent": fake.chrome(),
        "job": fake.job(),
        "company": fake.company(),
        "balance": round(choice.uniform(-500, 20_000), 2),
        "consent": {"marketing": choice.random() < 0.9},
        "note": note,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", help="file to write, a line per profile")
    parser.add_argument("--count", type=int, default=50_000, help="how many profiles (default 50000)")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same file (default 1)")
    arguments = parser.parse_args()

    fakes = []
    for offset, locale in enumerate(LOCALES):
        fake = Faker(locale)
        fake.seed_instance(arguments.seed * 1_000 + offset)
        fakes.append(fake)
    choice = random.Random(arguments.seed)

    # Under another name until it is whole: an interrupted run leaves nothing that looks finished.
    partial = arguments.out + ".partial"
    with open(partial, "w", encoding="utf-8", newline="\n") as out:
        for number in range(arguments.count):
            event = profile(fakes[number % len(fakes)], choice, number)
            out.write(json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n")
    os.replace(partial, arguments.out)
    print(f"{arguments.count} profiles in {arguments.out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
