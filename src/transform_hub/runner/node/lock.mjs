// What the main thread shares with the heartbeats' thread: both write to the control socket, never at once.
//
//   LOCK     FREE, or who writes; the main thread keeps it while anything of its own waits in Node.js
//   BEATS    messages of the main thread; the same number as a period ago: it is busy
//   PERIOD   ms between heartbeats; 0: there is nothing to say yet
//   WAKE     changes when the period does
//   SOCKET   descriptor of the control socket

export const LOCK = 0;
export const BEATS = 1;
export const PERIOD = 2;
export const WAKE = 3;
export const SOCKET = 4;

export const FREE = 0;
export const MAIN = 1;
export const THREAD = 2;

export function makeState() {
  return new Int32Array(new SharedArrayBuffer(5 * Int32Array.BYTES_PER_ELEMENT));
}

/** Locks for the main thread, which waits while the other one writes its line. @param {Int32Array} state */
export function acquire(state) {
  while (Atomics.compareExchange(state, LOCK, FREE, MAIN) === THREAD) Atomics.wait(state, LOCK, THREAD);
}

/** @param {Int32Array} state */
export function release(state) {
  Atomics.store(state, LOCK, FREE);
}
