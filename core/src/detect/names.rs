//! What the name of a field tells about its values: `ssn`, `dateOfBirth` and `telefon_privat` are
//! personal, whatever the form of their values.

use unicode_normalization::UnicodeNormalization;

/// What a name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TellingName {
    /// A secret, which nobody needs in a profile.
    Secret,
    /// A number that the state gives a person.
    NationalId,
    /// A passport.
    Passport,
    /// A driving licence.
    DrivingLicence,
    /// A date of birth.
    Birth,
    /// A bank account.
    BankAccount,
    /// A payment card.
    Card,
    /// An e-mail address.
    Email,
    /// An address of the net.
    IpAddress,
    /// A phone number.
    Phone,
    /// The name of an account.
    Username,
    /// A postal address.
    Address,
    /// A person's name.
    PersonName,
}

impl TellingName {
    /// Returns the category in the taxonomy.
    pub const fn category(self) -> &'static str {
        match self {
            TellingName::Secret => "user.authorization.credentials",
            TellingName::NationalId => "user.government_id.national_identification_number",
            TellingName::Passport => "user.government_id.passport_number",
            TellingName::DrivingLicence => "user.government_id.drivers_license_number",
            TellingName::Birth => "user.demographic.date_of_birth",
            TellingName::BankAccount => "user.financial.bank_account",
            TellingName::Card => "user.financial.credit_card",
            TellingName::Email => "user.contact.email",
            TellingName::IpAddress => "user.device.ip_address",
            TellingName::Phone => "user.contact.phone_number",
            TellingName::Username => "user.account.username",
            TellingName::Address => "user.contact.address",
            TellingName::PersonName => "user.name",
        }
    }
}

/// The words of one meaning: those that must be a word of the name, and longer ones that may be in
/// any part of it.
struct Words(TellingName, &'static [&'static str], &'static [&'static str]);

/// The first line with a match decides. Without accents and in lower case.
const WORDS: &[Words] = &[
    Words(
        TellingName::Secret,
        &["pin", "pwd", "passwd", "secret", "cvv", "cvc", "otp", "senha", "haslo", "sifre", "parola"],
        &[
            "password",
            "passphrase",
            "passcode",
            "passwort",
            "kennwort",
            "motdepasse",
            "contrasena",
            "wachtwoord",
            "losenord",
            "adgangskode",
            "salasana",
            "apikey",
            "privatekey",
            "secretkey",
            "accesstoken",
            "refreshtoken",
            "authtoken",
            "sessiontoken",
            "пароль",
            "密码",
            "パスワード",
        ],
    ),
    Words(
        TellingName::Passport,
        &[],
        &[
            "passport",
            "passeport",
            "reisepass",
            "pasaporte",
            "passaporto",
            "passaporte",
            "paspoort",
            "護照",
            "护照",
            "パスポート",
            "паспорт",
        ],
    ),
    Words(
        TellingName::DrivingLicence,
        &[],
        &[
            "driverlicen",
            "driverslicen",
            "drivinglicen",
            "fuhrerschein",
            "fuehrerschein",
            "permisdeconduire",
            "permisodeconducir",
            "licenciadeconducir",
            "carnetdeconducir",
            "rijbewijs",
            "korkort",
            "patentediguida",
            "carteiradehabilitacao",
        ],
    ),
    Words(
        TellingName::NationalId,
        &[
            "ssn", "sin", "nin", "nino", "bsn", "dni", "nie", "nif", "cpf", "curp", "pesel", "ahv", "svnr", "insee",
            "nir", "cnp", "egn", "tckn", "tin", "aadhaar",
        ],
        &[
            "socialsecurity",
            "nationalid",
            "nationalinsurance",
            "nationalnumber",
            "identitynumber",
            "identitycard",
            "identificationnumber",
            "idcard",
            "ausweis",
            "sozialversicherung",
            "steuerid",
            "steuernummer",
            "taxid",
            "taxnumber",
            "taxpayer",
            "codicefiscale",
            "numerofiscal",
            "numerofiscale",
            "numfiscal",
            "securitesociale",
            "seguridadsocial",
            "segurancasocial",
            "carteidentite",
            "cartedidentite",
            "cartadidentita",
            "documentodeidentidad",
            "numerodeidentidad",
            "burgerservice",
            "personnummer",
            "personnr",
            "fodselsnummer",
            "henkilotunnus",
            "cedula",
            "mynumber",
            "マイナンバー",
            "身份证",
            "αδτ",
        ],
    ),
    Words(
        TellingName::Birth,
        &["dob", "bday", "birthday"],
        &[
            "birth",
            "geburt",
            "naissance",
            "nacimiento",
            "nascita",
            "nascimento",
            "geboorte",
            "fodelse",
            "fodsels",
            "syntyma",
            "urodzenia",
            "生年月日",
            "出生",
            "рождения",
        ],
    ),
    Words(
        TellingName::BankAccount,
        &["iban", "bban", "clabe"],
        &[
            "iban",
            "bankaccount",
            "accountnumber",
            "accountno",
            "kontonummer",
            "kontonr",
            "bankverbindung",
            "comptebancaire",
            "cuentabancaria",
            "contobancario",
            "contacorrente",
            "rekeningnummer",
            "sortcode",
            "routingnumber",
        ],
    ),
    Words(
        TellingName::Card,
        &["pan"],
        &[
            "cardnumber",
            "cardno",
            "creditcard",
            "debitcard",
            "paymentcard",
            "kreditkarte",
            "cartebancaire",
            "cartedecredit",
            "tarjetadecredito",
            "numerodetarjeta",
            "cartadicredito",
            "cartaodecredito",
        ],
    ),
    Words(
        TellingName::Email,
        &["mail", "mails", "correo", "courriel"],
        &["email", "epost", "correoelectronico", "postaelettronica", "邮箱", "メール", "почта"],
    ),
    Words(TellingName::IpAddress, &["ip", "ipv"], &["ipaddress", "ipadresse", "adresseip", "direccionip"]),
    Words(
        TellingName::Phone,
        &[
            "tel", "fax", "cell", "mobile", "mobil", "movil", "celular", "handy", "gsm", "msisdn", "whatsapp", "telf",
            "tlf", "natel", "phones", "sms",
        ],
        &[
            "phone",
            "telefon",
            "telephon",
            "rufnummer",
            "mobilnummer",
            "handynummer",
            "cellulare",
            "puhelin",
            "mobilenumber",
            "电话",
            "電話",
            "手机",
            "телефон",
            "τηλεφων",
        ],
    ),
    Words(
        TellingName::Username,
        &["login", "nickname", "nick"],
        &["username", "loginname", "benutzername", "nomdutilisateur", "nombredeusuario", "gebruikersnaam"],
    ),
    Words(
        TellingName::Address,
        &[
            "addr", "street", "rue", "calle", "via", "adres", "straat", "zip", "plz", "postcode", "ulica", "adress",
            "morada",
        ],
        &[
            "address",
            "adresse",
            "anschrift",
            "strasse",
            "streetname",
            "direccion",
            "indirizzo",
            "endereco",
            "postalcode",
            "zipcode",
            "postleitzahl",
            "codepostal",
            "codigopostal",
            "住所",
            "地址",
            "адрес",
        ],
    ),
    Words(
        TellingName::PersonName,
        &["name", "names", "nom", "nombre", "nome", "naam", "navn", "namn", "imie", "nazwisko", "fname", "lname"],
        &[
            "firstname",
            "lastname",
            "fullname",
            "surname",
            "familyname",
            "givenname",
            "middlename",
            "maidenname",
            "vorname",
            "nachname",
            "familienname",
            "prenom",
            "nomdefamille",
            "apellido",
            "cognome",
            "sobrenome",
            "voornaam",
            "achternaam",
            "fornamn",
            "efternamn",
            "姓名",
            "氏名",
            "名前",
            "фамилия",
        ],
    ),
];

/// Words that make the name of a thing of `name`.
const THINGS: &[&str] = &[
    "app",
    "application",
    "brand",
    "browser",
    "campaign",
    "category",
    "city",
    "class",
    "cluster",
    "color",
    "column",
    "country",
    "currency",
    "database",
    "db",
    "device",
    "domain",
    "event",
    "field",
    "file",
    "font",
    "function",
    "host",
    "item",
    "job",
    "key",
    "mac",
    "memory",
    "method",
    "metric",
    "model",
    "module",
    "os",
    "package",
    "page",
    "plan",
    "product",
    "project",
    "queue",
    "schema",
    "screen",
    "server",
    "service",
    "shop",
    "state",
    "step",
    "store",
    "table",
    "tag",
    "topic",
    "type",
    "variable",
];

/// Last words that speak about a value and do not hold it: `email_verified`, `phoneType`.
const ABOUT: &[&str] =
    &["at", "count", "enabled", "format", "kind", "len", "length", "status", "type", "valid", "verified"];

/// Words that sound like a phone and are none.
const NO_PHONES: &[&str] = &["headphone", "earphone", "microphone", "iphone", "phonetic", "saxophone"];

/// Returns what the name of a field tells about its values; `None` if nothing.
pub fn telling_name(name: &str) -> Option<TellingName> {
    if name.len() > MAX_NAME {
        return None;
    }
    let words = words(name);
    let joined = words.concat();
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let Words(meaning, ..) = WORDS.iter().find(|Words(meaning, whole, parts)| {
        let told = has(whole) || parts.iter().any(|part| joined.contains(part));
        told && match meaning {
            TellingName::PersonName => !has(THINGS),
            TellingName::Address => !has(&["mac", "memory", "device", "host", "server", "contract"]),
            TellingName::Phone => !NO_PHONES.iter().any(|other| joined.contains(other)),
            TellingName::Secret
            | TellingName::NationalId
            | TellingName::Passport
            | TellingName::DrivingLicence
            | TellingName::Birth
            | TellingName::BankAccount
            | TellingName::Card
            | TellingName::Email
            | TellingName::IpAddress
            | TellingName::Username => true,
        }
    })?;
    let about = *meaning != TellingName::Secret && words.last().is_some_and(|last| ABOUT.contains(&last.as_str()));
    (!about).then_some(*meaning)
}

/// The longest name that is read, in bytes.
const MAX_NAME: usize = 128;

/// Returns the words of `camelCase`, `snake_case` and `kebab-case`, in lower case and without
/// accents.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        let starts = c.is_uppercase() && !before.is_uppercase() || c.is_numeric() && !before.is_numeric();
        if starts || !c.is_alphanumeric() {
            words.push(String::new());
        }
        before = c;
        if let Some(word) = words.last_mut()
            && c.is_alphanumeric()
        {
            match c {
                'ß' => word.push_str("ss"),
                'ø' | 'Ø' => word.push('o'),
                'ł' | 'Ł' => word.push('l'),
                // Accents of Latin and Greek letters; the marks of kana make other sounds.
                '\u{c0}'..='\u{3ff}' | '\u{1e00}'..='\u{1fff}' => {
                    word.extend(c.nfd().filter(|part| part.is_alphanumeric()).flat_map(char::to_lowercase));
                }
                _ => word.extend(c.to_lowercase()),
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_personal_fields_tell_what_they_hold() {
        use TellingName::{
            Address, BankAccount, Birth, Card, DrivingLicence, Email, IpAddress, NationalId, Passport, PersonName,
            Phone, Secret, Username,
        };
        for (names, meaning) in [
            (
                &["password", "userPassword", "Passwort", "mot_de_passe", "contraseña", "senha", "PIN", "api_key"][..],
                Secret,
            ),
            (
                &[
                    "ssn",
                    "SSN",
                    "social_security_number",
                    "nationalId",
                    "national_id",
                    "taxId",
                    "Steuernummer",
                    "codice_fiscale",
                    "numéro_de_sécurité_sociale",
                    "dni",
                    "Personnummer",
                    "personalausweis",
                ],
                NationalId,
            ),
            (&["passport", "passportNumber", "Reisepass-Nr", "pasaporte"], Passport),
            (&["driversLicense", "führerschein", "rijbewijs"], DrivingLicence),
            (&["dob", "birthDate", "date_of_birth", "Geburtsdatum", "fecha_nacimiento", "date_naissance"], Birth),
            (&["iban", "customer_iban", "accountNumber", "Kontonummer"], BankAccount),
            (&["cardNumber", "credit_card", "Kreditkarte"], Card),
            (&["email", "e-mail", "E-Mail-Adresse", "workMail", "correo_electrónico"], Email),
            (&["ip", "ipAddress", "client_ip"], IpAddress),
            (&["phone", "phone2", "Telefon", "telefonnummer", "téléphone", "mobile", "tel"], Phone),
            (&["username", "user_name", "login"], Username),
            (&["address", "Adresse", "street", "Straße", "plz", "dirección", "postal_code"], Address),
            (
                &["name", "fullName", "first_name", "Vorname", "nachname", "prénom", "apellidos", "nom", "氏名"],
                PersonName,
            ),
        ] {
            for name in names {
                assert_eq!(telling_name(name), Some(meaning), "{name}");
            }
        }
    }

    #[test]
    fn names_of_other_fields_tell_nothing() {
        for name in [
            "id",
            "note",
            "productName",
            "file_name",
            "hostname_id",
            "event",
            "class",
            "country",
            "tier",
            "survived",
            "email_verified",
            "phoneType",
            "macAddress",
            "headphones",
            "session",
            "amount",
            "spinning",
            "hotel",
            "shopping",
            "description",
            "",
        ] {
            assert_eq!(telling_name(name), None, "{name}");
        }
    }
}
