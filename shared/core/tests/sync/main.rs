//! The decisions of a sync as tables and as a model: what is built, merged, settled and planned next.

#[cfg(test)]
mod content;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod merge;
#[cfg(test)]
mod model;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod settle;
#[cfg(test)]
mod toy;
