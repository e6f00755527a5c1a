//! Greece. No range is kept for drama: phone numbers are those of neighbours that have one.

use super::{Locale, town, word};

pub(super) const GREECE: Locale = Locale {
    code: "GR",
    country: "Greece",
    women: &[
        word("Ελένη", "eleni"),
        word("Αικατερίνη", "aikaterini"),
        word("Δήμητρα", "dimitra"),
        word("Σοφία", "sofia"),
        word("Καλλιόπη", "kalliopi"),
        word("Ζωή", "zoi"),
    ],
    men: &[
        word("Γεώργιος", "georgios"),
        word("Νικόλαος", "nikolaos"),
        word("Κωνσταντίνος", "konstantinos"),
        word("Θεόδωρος", "theodoros"),
        word("Αλέξανδρος", "alexandros"),
        word("Οδυσσέας", "odysseas"),
    ],
    surnames_of_women: &[
        word("Παπαδοπούλου", "papadopoulou"),
        word("Οικονόμου", "oikonomou"),
        word("Αγγελοπούλου", "angelopoulou"),
        word("Χατζηδάκη", "chatzidaki"),
        word("Μακρή", "makri"),
    ],
    surnames_of_men: &[
        word("Παπαδόπουλος", "papadopoulos"),
        word("Οικονόμου", "oikonomou"),
        word("Αγγελόπουλος", "angelopoulos"),
        word("Χατζηδάκης", "chatzidakis"),
        word("Μακρής", "makris"),
    ],
    surname_first: false,
    streets: &["Οδός Χελιδονιών", "Λεωφ. Ηλιοτροπίων", "Οδός Αργοναύτη", "Πλατεία Επτά Πηγών"],
    number_first: false,
    towns: &[
        town("Νέα Ανθούπολη Κορφών", "Ήπειρος"),
        town("Αλμυρόπετρα", "Κρήτη"),
        town("Άνω Ελαιοχώρι", "Πελοπόννησος"),
    ],
    postcode: "### ##",
    phones: &["+44 20 7946 0###", "+49 69 90009 ###"],
    mobiles: &["+33 4 65 71 ## ##", "+49 171 39200 ##"],
    iban: ("GR", "0000000################"),
    national_id: ("ΑΔΤ", "ΧΧ 0#####"),
    language: "el-GR",
    currency: ("EUR", 100),
    timezone: ("+2:00", "Athens, Helsinki, Cairo"),
    corner: (370_000, 210_000),
    size: (30_000, 40_000),
};
