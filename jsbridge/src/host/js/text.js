// TextEncoder and TextDecoder, for UTF-8. The work is done by natives: encode(text), encodeInto(text, bytes) -> [read,
// written], decode(bytes, kept, flags) -> [text, kept], where `kept` are up to three bytes of a character that is not
// complete, as a number.
(function (encode, encodeInto, decode, isUtf8) {
  'use strict';
  const { TypeError, RangeError, Symbol } = globalThis;
  const tag = Symbol.toStringTag;
  const FATAL = 1, STREAM = 2, KEEP_MARK = 4, BEGUN = 8;

  let isEncoder, isDecoder;

  class TextEncoder {
    #brand;
    static { isEncoder = (value) => #brand in value; }
    get encoding() { return 'utf-8'; }
    encode(text = '') { this.#brand; return encode(`${text}`); }
    encodeInto(text, bytes) {
      this.#brand;
      const result = encodeInto(`${text}`, bytes);
      return { read: result[0], written: result[1] };
    }
    get [tag]() { return 'TextEncoder'; }
  }

  class TextDecoder {
    #fatal; #ignoreBOM;
    // Of a stream: bytes that wait for more, and whether the beginning is behind.
    #kept = 0; #begun = false;
    static { isDecoder = (value) => #kept in value; }
    constructor(label = 'utf-8', options = undefined) {
      if (!isUtf8(`${label}`)) throw new RangeError(`TextDecoder: the encoding '${label}' is not supported; there is utf-8`);
      const { fatal = false, ignoreBOM = false } = options ?? {};
      this.#fatal = !!fatal;
      this.#ignoreBOM = !!ignoreBOM;
    }
    get encoding() { return 'utf-8'; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }
    decode(bytes = undefined, options = undefined) {
      const { stream = false } = options ?? {};
      const flags = (this.#fatal ? FATAL : 0) | (stream ? STREAM : 0) | (this.#ignoreBOM ? KEEP_MARK : 0) | (this.#begun ? BEGUN : 0);
      let result;
      try {
        result = decode(bytes, this.#kept, flags);
      } catch (error) {
        this.#kept = 0;
        this.#begun = false;
        throw error;
      }
      this.#kept = stream ? result[1] : 0;
      this.#begun = stream ? result[2] : false;
      return result[0];
    }
    get [tag]() { return 'TextDecoder'; }
  }

  // Which of these classes has made an object; for who cannot clone them.
  const classOf = (value) => isEncoder(value) ? 'TextEncoder' : isDecoder(value) ? 'TextDecoder' : undefined;

  return { TextEncoder, TextDecoder, classOf };
})
