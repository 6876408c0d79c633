/** Names come from images and archives: what would steer a terminal, or break a line, is shown as its code. */
export const plainText = (text: string): string =>
  text.replace(steering, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);

/** Control characters, what ends a line, and what turns the direction of writing. */
export const steering = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
