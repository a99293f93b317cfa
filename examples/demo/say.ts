/** The party that a line of the demo is about. */
export type Speaker = 'demo' | 'publisher' | 'hub' | 'subscriber';

const COLORS: Readonly<Record<Speaker, number>> = { demo: 0, publisher: 33, hub: 35, subscriber: 36 };
const isColored = process.stdout.isTTY && !process.env['NO_COLOR'];

/** Prints one line: the time, the party, the text. */
export function say(speaker: Speaker, text: string): void {
  const time = new Date().toTimeString().slice(0, 8);
  const who = speaker.padEnd(10);
  console.log(`${time}  ${isColored ? `\u001B[${COLORS[speaker]}m${who}\u001B[0m` : who}  ${text}`);
}

/** The start of a long text, for example a challenge. */
export function short(text: string): string {
  return text.length > 12 ? `${text.slice(0, 12)}…` : text;
}

/** A number of seconds in the largest unit that fits. */
export function inWords(seconds: number): string {
  const [unit, size] = seconds >= 86_400 ? ['day', 86_400] : seconds >= 3_600 ? ['hour', 3_600] : ['second', 1];
  const count = Math.round(seconds / size);
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
