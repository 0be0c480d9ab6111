//! What the pages share: the frame and the headers of each ([`layout`]), the pieces they are made of ([`components`]), and the stylesheet
//! and script that they name ([`assets`]).
//!
//! Nothing here asks anybody anything: a page is made of what its function has read.

pub mod assets;
pub mod components;
pub mod layout;
