//! Classification against a naive oracle, and imports and syncs of one list that cross each other.

#[cfg(test)]
mod crossing;
#[cfg(test)]
mod list;
#[cfg(test)]
mod oracle;
