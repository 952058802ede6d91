//! A first-in, first-out queue from whose middle an element can be taken in constant time.
//!
//! It is a linked list in a vector. A slot that was freed last is used first, so a short queue
//! stays in the cache however many elements pass through it, and a long one never holds more
//! slots than it had elements at once.

const NIL: u32 = u32::MAX;

/// Names an element. A name is never used twice, so an old one finds nothing: neither in its queue
/// nor in one that numbers differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    serial: u64,
    index: u32,
}

#[derive(Debug)]
pub(crate) struct Queue<T> {
    slots: Vec<Slot<T>>,
    head: u32,
    tail: u32,
    free: u32,
    len: usize,
    /// Of the next element.
    serial: u64,
}

/// How many queues there can be with names of their own.
const QUEUES: u64 = 2;

#[derive(Debug)]
struct Slot<T> {
    value: Option<T>,
    serial: u64,
    prev: u32,
    /// In a free slot, the next free one.
    next: u32,
}

impl<T> Queue<T> {
    /// The first queue or the second of those that do not know each other's names.
    pub(crate) const fn new(number: u64) -> Self {
        Self {
            slots: Vec::new(),
            head: NIL,
            tail: NIL,
            free: NIL,
            len: 0,
            serial: number,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn front(&self) -> Option<&T> {
        self.slots.get(self.head as usize)?.value.as_ref()
    }

    pub(crate) fn contains(&self, key: Key) -> bool {
        self.slots
            .get(key.index as usize)
            .is_some_and(|slot| slot.serial == key.serial && slot.value.is_some())
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        (slot.serial == key.serial).then_some(slot.value.as_mut())?
    }

    #[inline]
    pub(crate) fn push_back(&mut self, value: T) -> Key {
        let key = self.place(value, self.tail, NIL);
        match self.tail {
            NIL => self.head = key.index,
            tail => self.slots[tail as usize].next = key.index,
        }
        self.tail = key.index;
        key
    }

    pub(crate) fn push_front(&mut self, value: T) -> Key {
        let key = self.place(value, NIL, self.head);
        match self.head {
            NIL => self.tail = key.index,
            head => self.slots[head as usize].prev = key.index,
        }
        self.head = key.index;
        key
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        (self.head != NIL).then(|| self.take(self.head))?
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.contains(key).then(|| self.take(key.index))?
    }

    #[inline]
    fn place(&mut self, value: T, prev: u32, next: u32) -> Key {
        let serial = self.serial;
        self.serial += QUEUES;
        self.len += 1;
        let index = self.free;
        if let Some(slot) = self.slots.get_mut(index as usize) {
            self.free = slot.next;
            slot.value = Some(value);
            slot.serial = serial;
            slot.prev = prev;
            slot.next = next;
            return Key { serial, index };
        }
        let index = u32::try_from(self.slots.len()).expect("the builder allows 2^31 elements");
        self.slots.push(Slot {
            value: Some(value),
            serial,
            prev,
            next,
        });
        Key { serial, index }
    }

    fn take(&mut self, index: u32) -> Option<T> {
        let slot = &mut self.slots[index as usize];
        let value = slot.value.take();
        let (prev, next) = (slot.prev, slot.next);
        slot.next = self.free;
        self.free = index;
        self.len -= 1;
        match prev {
            NIL => self.head = next,
            prev => self.slots[prev as usize].next = next,
        }
        match next {
            NIL => self.tail = prev,
            next => self.slots[next as usize].prev = prev,
        }
        value
    }
}

#[cfg(all(test, not(model)))]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Back,
        Front,
        Pop,
        Remove(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Back),
            1 => Just(Step::Front),
            2 => Just(Step::Pop),
            2 => any::<prop::sample::Index>().prop_map(Step::Remove),
        ]
    }

    #[test]
    fn a_name_finds_nothing_in_the_other_queue() {
        let mut queues = [Queue::new(0), Queue::new(1)];
        let keys: Vec<_> = (0..20).map(|it| queues[it % 2].push_back(it)).collect();
        for (number, key) in keys.into_iter().enumerate() {
            assert_eq!(queues[1 - number % 2].remove(key), None);
            assert_eq!(queues[number % 2].remove(key), Some(number));
        }
    }

    proptest! {
        #[test]
        fn it_is_a_deque_from_whose_middle_one_can_take(
            steps in prop::collection::vec(step(), 1..200)
        ) {
            let (mut queue, mut model, mut keys) = (Queue::new(0), VecDeque::new(), Vec::new());
            let mut longest = 0;
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Back => {
                        keys.push((queue.push_back(number), number));
                        model.push_back(number);
                    }
                    Step::Front => {
                        keys.push((queue.push_front(number), number));
                        model.push_front(number);
                    }
                    Step::Pop => prop_assert_eq!(queue.pop_front(), model.pop_front()),
                    Step::Remove(_) if keys.is_empty() => {}
                    Step::Remove(index) => {
                        let (key, number) = *index.get(&keys);
                        let place = model.iter().position(|it| *it == number);
                        prop_assert_eq!(queue.contains(key), place.is_some());
                        prop_assert_eq!(queue.remove(key), place.and_then(|at| model.remove(at)));
                    }
                }
                longest = longest.max(model.len());
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.front(), model.front());
                prop_assert!(queue.slots.len() <= longest, "a freed slot is used again");
            }
        }
    }
}
