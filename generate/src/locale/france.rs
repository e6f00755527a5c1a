//! France. Phone numbers: the ranges that ARCEP keeps for audiovisual works.

use super::{Locale, Word, town, word};

const SURNAMES: &[Word] = &[
    word("Lefèvre", "lefevre"),
    word("Dupré", "dupre"),
    word("D’Aubigné", "daubigne"),
    word("L'Hérault", "lherault"),
    word("Garçon", "garcon"),
    word("Noël", "noel"),
    word("Saint-Étienne", "saintetienne"),
    word("Châtelain", "chatelain"),
    word("Moreau", "moreau"),
    word("Le Goff", "legoff"),
    word("Benoît", "benoit"),
    word("Chaÿ", "chay"),
];

pub(super) const FRANCE: Locale = Locale {
    code: "FR",
    country: "France",
    women: &[
        // Written with combining marks, as some phones send it: the same name in another normal
        // form.
        word("Ame\u{301}lie", "amelie"),
        word("Éloïse", "eloise"),
        word("Chloé", "chloe"),
        word("Françoise", "francoise"),
        word("Anaïs", "anais"),
        word("Marie-Thérèse", "marietherese"),
        word("Zoé", "zoe"),
        word("Jeanne", "jeanne"),
    ],
    men: &[
        word("François", "francois"),
        word("Jérôme", "jerome"),
        word("Jean-Loïc", "jeanloic"),
        word("Raphaël", "raphael"),
        word("Gaëtan", "gaetan"),
        word("Théo", "theo"),
        word("Benoît", "benoit"),
        word("Hugo", "hugo"),
    ],
    surnames_of_women: SURNAMES,
    surnames_of_men: SURNAMES,
    surname_first: false,
    streets: &[
        "rue de l'Écureuil bleu",
        "allée des Bégonias",
        "impasse du Vieux-Forgeron",
        "quai aux Pélicans",
        "chemin de la Chênaie",
    ],
    number_first: true,
    towns: &[
        town("Saint-Élouan-sur-Brève", "Bretagne"),
        town("Montfaucœur", "Île-de-France"),
        town("La Roche-Guéret-les-Pins", "Nouvelle-Aquitaine"),
        town("Pérignac-le-Sec", "Occitanie"),
    ],
    postcode: "#####",
    phones: &["+33 1 99 00 ## ##", "+33 2 61 91 ## ##", "+33 3 53 01 ## ##", "+33 4 65 71 ## ##", "+33 5 36 49 ## ##"],
    // The mobile range kept for drama, 06 39 98, fails libphonenumber; fixed lines stand in for it.
    mobiles: &["+33 1 99 00 ## ##", "+33 3 53 01 ## ##", "+33 5 36 49 ## ##"],
    iban: ("FR", "0000000000#############"),
    national_id: ("INSEE", "0 00 00 00 ### ### ##"),
    language: "fr-FR",
    currency: ("EUR", 100),
    timezone: ("+1:00", "Brussels, Copenhagen, Madrid, Paris"),
    corner: (440_000, 0),
    size: (40_000, 50_000),
};
