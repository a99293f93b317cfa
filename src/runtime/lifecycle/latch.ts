/** Something that has not happened yet, and then has for good. */
export interface Latch {
  readonly isOpen: boolean;
  /** Resolves when it has happened. */
  readonly opened: Promise<void>;
  open(): void;
}

/** A latch that is closed. */
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
