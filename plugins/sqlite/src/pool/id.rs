//! How queues, lanes and places become the integer keys of the tables.
//!
//! A message's key is `slot | lane | place`: so the messages of a lane lie side by side in the order
//! of their places, and no index by queue is needed. Places are the queue's own, shared by its
//! lanes, so they tell nothing of other queues.

use sukkal_plugin_sdk::{Lane, Place, QueueId};

/// Bits of a place: 10^12 messages in the life of a queue.
const PLACE_BITS: u32 = 40;
/// Bits of a place within its block.
const OFFSET_BITS: u32 = 6;
/// Bits of a block within its lane.
const BLOCK_BITS: u32 = PLACE_BITS - OFFSET_BITS;

/// The last offset within a block.
pub const LAST_OFFSET: u8 = (1 << OFFSET_BITS) - 1;
/// Places from here on cannot be.
pub const END_OF_PLACES: u64 = 1 << PLACE_BITS;
/// Slots from here on cannot be: keys must not be negative.
pub const END_OF_SLOTS: u32 = 1 << 21;

/// One lane of one queue, as the high part of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneKey(i64);

impl LaneKey {
    /// The lane of the queue in a slot.
    pub fn new(slot: u32, lane: Lane) -> LaneKey {
        LaneKey(i64::from(slot) << 2 | i64::from(lane.code()))
    }

    /// The number by which the tables index lanes (`key >> 34`).
    pub fn number(self) -> i64 {
        self.0
    }

    /// The key of the message at a place; `None` for a place that cannot be.
    pub fn id(self, place: Place) -> Option<i64> {
        let place = i64::try_from(place.0).ok().filter(|_| place.0 < END_OF_PLACES)?;
        Some(self.0 << PLACE_BITS | place)
    }

    /// The key of the block of a place.
    pub fn block(self, place: Place) -> i64 {
        self.first_block() | ((place.0 >> OFFSET_BITS).cast_signed() & ((1 << BLOCK_BITS) - 1))
    }

    /// The first key of a block that the lane could have.
    pub fn first_block(self) -> i64 {
        self.0 << BLOCK_BITS
    }

    /// The last key of a block that the lane could have.
    pub fn last_block(self) -> i64 {
        self.first_block() | ((1 << BLOCK_BITS) - 1)
    }
}

/// The block of a message.
pub fn block_of(id: i64) -> i64 {
    id >> OFFSET_BITS
}

/// Where in its block a message stands.
pub fn offset_of(id: i64) -> u8 {
    (id & i64::from(LAST_OFFSET)) as u8
}

/// Where in their block messages stand, a bit each. All are of one block.
pub fn offsets_of(ids: &[i64]) -> u64 {
    ids.iter().fold(0, |offsets, id| offsets | 1 << offset_of(*id))
}

/// The message at an offset of a block.
pub fn id_in(block: i64, offset: u8) -> i64 {
    block << OFFSET_BITS | i64::from(offset)
}

/// The place of a message.
pub fn place_of(id: i64) -> Place {
    Place((id & (END_OF_PLACES as i64 - 1)) as u64)
}

/// The slot of a block's queue.
pub fn slot_of(block: i64) -> u32 {
    // Keys are 57 bits long, of which 36 are lane and block.
    (block >> (BLOCK_BITS + 2)) as u32
}

/// The lane of a block.
pub fn lane_of(block: i64) -> Lane {
    Lane::from_code(((block >> BLOCK_BITS) & 3) as u32)
}

/// A queue's id as SQLite keeps it: signed, in the same order.
pub fn queue_key(id: QueueId) -> i64 {
    (id.0 ^ (1 << 63)).cast_signed()
}

/// The queue's id that SQLite keeps as this.
pub fn queue_id(key: i64) -> QueueId {
    QueueId(key.cast_unsigned() ^ (1 << 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hold_their_parts_and_keep_their_order() {
        let lane = LaneKey::new(END_OF_SLOTS - 1, Lane::Retry);
        let id = lane.id(Place(END_OF_PLACES - 1)).unwrap();
        assert!(id > 0);
        assert_eq!(place_of(id), Place(END_OF_PLACES - 1));
        assert_eq!(id_in(block_of(id), offset_of(id)), id);
        assert_eq!(lane_of(block_of(id)), Lane::Retry);
        assert_eq!(slot_of(block_of(id)), END_OF_SLOTS - 1);
        assert_eq!(block_of(id), lane.last_block());
        assert_eq!(lane.block(Place(END_OF_PLACES - 1)), lane.last_block());
        assert_eq!(lane.id(Place(END_OF_PLACES)), None);
        assert_eq!(lane.id(Place(u64::MAX)), None);
        assert_eq!(block_of(id) >> BLOCK_BITS, lane.number());
    }

    #[test]
    fn queue_keys_keep_the_order_of_ids() {
        let ids = [0, 1, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX].map(QueueId);
        let keys = ids.map(queue_key);
        assert!(keys.is_sorted());
        assert_eq!(keys.map(queue_id), ids);
    }
}
