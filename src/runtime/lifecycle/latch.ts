/** A one-way switch: closed at first, then open forever. */
export interface Latch {
  readonly isOpen: boolean;
  /** Resolves once the latch is open. */
  readonly opened: Promise<void>;
  open(): void;
}

/** Creates a closed latch. */
export function latch(): Latch {
  let isOpen = false;
  let resolve = (): void => {};
  const opened = new Promise<void>((resolved) => {
    resolve = resolved;
  });
  return {
    get isOpen() {
      return isOpen;
    },
    opened,
    open() {
      isOpen = true;
      resolve();
    },
  };
}
