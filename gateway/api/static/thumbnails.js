// Pictures that are fetched when they are seen, a few at a time: they are whole photos, and there may be a hundred.
// What browsers do by loading="lazy" is too little for that: they fetch what lies within a few screens.

const AT_ONCE = 4;
const TRIES = 3;
const PAUSE_MS = 1000; // The news of an image's end may be quicker than its bytes.

export class Thumbnails {
  #addresses = new WeakMap();
  #waiting = new Set();
  #missing = new Set();
  #loading = 0;
  #seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      isIntersecting ? this.#waiting.add(target) : this.#waiting.delete(target);
    }
    this.#loadNext();
  });

  /** Have `picture`, an `<img>`, show what lies at `address` once it is in sight. */
  add(picture, address) {
    this.#addresses.set(picture, { address, tries: 0 });
    this.#seen.observe(picture);
  }

  /** Those that could not be had: whoever was asked for them may have been away. */
  tryAgain() {
    for (const picture of this.#missing) this.add(picture, this.#addresses.get(picture).address);
    this.#missing.clear();
  }

  #loadNext() {
    for (const picture of this.#waiting) {
      if (this.#loading === AT_ONCE) return;
      this.#waiting.delete(picture);
      this.#load(picture);
    }
  }

  async #load(picture) {
    const wanted = this.#addresses.get(picture);
    this.#loading++;
    this.#seen.unobserve(picture);
    picture.src = wanted.address;
    const isLoaded = await ended(picture);
    this.#loading--;
    if (isLoaded) this.#addresses.delete(picture);
    else if (++wanted.tries < TRIES) setTimeout(() => this.#seen.observe(picture), PAUSE_MS * wanted.tries);
    else this.#missing.add(picture);
    this.#loadNext();
  }
}

function ended(picture) {
  return new Promise((resolve) => {
    picture.onload = () => resolve(true);
    picture.onerror = () => resolve(false);
  });
}
