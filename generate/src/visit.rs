//! One visit to the shop: what a visitor does next, step by step. No bytes are written here.

use super::{
    device::{DEVICES, Device},
    draw::Draw,
    person::Person,
    shop::{PRODUCTS, Product},
};

/// The longest visit, in steps.
const LONGEST: u64 = 80;
/// How many different products a cart holds.
const CART: usize = 6;

/// What a visitor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    PageView,
    Click,
    Search,
    AddToCart,
    RemoveFromCart,
    Checkout,
    Purchase,
    Signup,
    Login,
    Logout,
}

impl Action {
    /// Its name in an event.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Action::PageView => "page_view",
            Action::Click => "click",
            Action::Search => "search",
            Action::AddToCart => "add_to_cart",
            Action::RemoveFromCart => "remove_from_cart",
            Action::Checkout => "checkout",
            Action::Purchase => "purchase",
            Action::Signup => "signup",
            Action::Login => "login",
            Action::Logout => "logout",
        }
    }
}

/// A page of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Home,
    /// What the product's heading lists.
    Category(Product),
    Product(Product),
    Results,
    Cart,
    Checkout,
    Thanks,
    Account,
}

/// Where a visitor comes from, and on which page that leads.
pub(super) struct Origin {
    /// Empty for one who typed the address.
    pub(super) referrer: &'static str,
    /// The campaign parameters of the link, as a query.
    pub(super) campaign: &'static str,
}

const ORIGINS: [Origin; 6] = [
    Origin { referrer: "", campaign: "" },
    Origin { referrer: "", campaign: "" },
    Origin { referrer: "https://search.example.net/", campaign: "" },
    Origin { referrer: "https://search.example.net/", campaign: "?utm_source=search&utm_medium=cpc" },
    Origin { referrer: "https://mail.example.org/", campaign: "?utm_source=newsletter&utm_medium=email" },
    Origin { referrer: "https://forum.example.org/t/4711", campaign: "?utm_source=forum&utm_medium=referral" },
];

/// Products in a cart, and how many of each.
#[derive(Clone, Copy)]
pub(super) struct Cart {
    lines: [(Product, u64); CART],
    filled: usize,
}

impl Cart {
    /// What is in it.
    pub(super) fn lines(&self) -> &[(Product, u64)] {
        &self.lines[..self.filled]
    }
}

/// One visit.
pub(super) struct Visit {
    pub(super) visitor: Person,
    pub(super) id: (u64, u64),
    pub(super) device: &'static Device,
    pub(super) address: u64,
    pub(super) origin: &'static Origin,
    /// Steps so far; 1 is the page that the visitor lands on.
    pub(super) step: u64,
    /// What was done last.
    pub(super) action: Action,
    /// The product and how many of it the last step was about.
    pub(super) about: Option<(Product, u64)>,
    /// The page that the visitor is on.
    pub(super) place: Place,
    /// The page before it; `None` where the visitor landed.
    pub(super) before: Option<Place>,
    pub(super) cart: Cart,
    signed_in: bool,
}

impl Visit {
    /// A visit at its first step: a page is seen.
    pub(super) fn new(visitor: Person, draw: &mut Draw) -> Self {
        let origin = draw.pick(&ORIGINS);
        // A visitor keeps to two devices.
        let device = (visitor.bits >> (8 * draw.below(2))) % DEVICES.len() as u64;
        let mut visit = Self {
            visitor,
            id: (draw.bits(), draw.bits()),
            device: &DEVICES[device as usize],
            address: draw.bits(),
            origin,
            step: 1,
            action: Action::PageView,
            about: None,
            place: Place::Home,
            before: None,
            cart: Cart { lines: [(Product(0), 0); CART], filled: 0 },
            signed_in: false,
        };
        // A typed address leads to the front page; a link leads to a product.
        if !visit.origin.referrer.is_empty() || draw.one_in(4) {
            visit.look_at(any_product(draw));
            visit.before = None;
        }
        visit
    }

    /// A visit some steps on, wherever that led.
    pub(super) fn under_way(visitor: Person, draw: &mut Draw) -> Self {
        let mut visit = Self::new(visitor, draw);
        for _ in 0..draw.below(12) {
            if !visit.go_on(draw) {
                break;
            }
        }
        visit
    }

    /// Takes the next step. False when the visitor leaves: nothing is changed.
    pub(super) fn go_on(&mut self, draw: &mut Draw) -> bool {
        if self.step == LONGEST {
            return false;
        }
        let chance = draw.below(100);
        let full = self.cart.filled == CART;
        let carries = self.cart.filled > 0;
        match (self.place, chance) {
            (Place::Home | Place::Category(_) | Place::Results, 0..48) | (Place::Product(_), 0..22) => {
                self.look_at(any_product(draw));
            }
            (Place::Home | Place::Category(_) | Place::Results, 48..60) | (Place::Product(_), 22..30) => {
                self.see(Place::Category(any_product(draw)));
            }
            (Place::Home | Place::Category(_) | Place::Results, 60..72) | (Place::Product(_), 30..44) => self.click(),
            (Place::Home | Place::Category(_) | Place::Results, 72..84) | (Place::Product(_), 44..54) => {
                self.act(Action::Search, Place::Results);
            }
            (Place::Home, 84..90) if !self.signed_in => self.sign_in(draw),
            (Place::Product(product), 54..68) if !full => self.add(product, draw),
            (Place::Product(_), 68..92) if carries => self.see(Place::Cart),
            (Place::Cart, 0..64) if carries && self.signed_in => self.act(Action::Checkout, Place::Checkout),
            (Place::Cart, 0..64) if carries => self.sign_in(draw),
            (Place::Cart, 64..78) if carries => self.remove(draw),
            (Place::Cart, 78..92) | (Place::Checkout, 80..92) => self.look_at(any_product(draw)),
            (Place::Checkout, 0..80) => self.act(Action::Purchase, Place::Thanks),
            // What was bought is in the cart for as long as the event is written.
            (Place::Thanks, 0..30) => {
                self.cart.filled = 0;
                self.act(Action::Logout, Place::Home);
                self.signed_in = false;
            }
            (Place::Thanks, 30..48) => {
                self.cart.filled = 0;
                self.see(Place::Home);
            }
            (Place::Account, 0..90) => self.see(if carries { Place::Cart } else { Place::Home }),
            _ => return false,
        }
        self.step += 1;
        true
    }

    /// Does something that leads to a page, or stays on it.
    fn act(&mut self, action: Action, place: Place) {
        self.action = action;
        self.about = None;
        if self.place != place {
            self.before = Some(self.place);
            self.place = place;
        }
    }

    fn see(&mut self, place: Place) {
        self.act(Action::PageView, place);
    }

    fn look_at(&mut self, product: Product) {
        self.see(Place::Product(product));
        self.about = Some((product, 1));
    }

    /// On the page that is seen, about what it shows.
    fn click(&mut self) {
        let about = if let Place::Product(product) = self.place { Some((product, 1)) } else { None };
        self.act(Action::Click, self.place);
        self.about = about;
    }

    /// One in five has no account yet.
    fn sign_in(&mut self, draw: &mut Draw) {
        self.act(if draw.one_in(5) { Action::Signup } else { Action::Login }, Place::Account);
        self.signed_in = true;
    }

    fn add(&mut self, product: Product, draw: &mut Draw) {
        let quantity = 1 + draw.below(3) * draw.below(2);
        let lines = &mut self.cart.lines;
        match lines[..self.cart.filled].iter_mut().find(|(there, _)| *there == product) {
            Some((_, more)) => *more += quantity,
            None => {
                lines[self.cart.filled] = (product, quantity);
                self.cart.filled += 1;
            }
        }
        self.act(Action::AddToCart, self.place);
        self.about = Some((product, quantity));
    }

    /// All of one product.
    fn remove(&mut self, draw: &mut Draw) {
        let at = draw.below(self.cart.filled as u64) as usize;
        self.cart.filled -= 1;
        self.cart.lines.swap(at, self.cart.filled);
        let gone = self.cart.lines[self.cart.filled];
        self.act(Action::RemoveFromCart, Place::Cart);
        self.about = Some(gone);
    }
}

fn any_product(draw: &mut Draw) -> Product {
    Product(draw.below(PRODUCTS))
}
