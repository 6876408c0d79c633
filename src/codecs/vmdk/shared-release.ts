/** A buffer that is used in several places: `release` is called when the last of `users` has called the result. */
export function shared(users: number, release: () => void): () => void {
  let left = users;
  return () => {
    if (--left === 0) release();
  };
}
