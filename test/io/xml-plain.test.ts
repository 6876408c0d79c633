/** The fast reading of XML, judged by the whole parser: the same tree, or nothing. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseXml, type XmlElement } from '../../src/io/xml.ts';
import { parsePlainXml } from '../../src/io/xml-plain.ts';

const limits = { deepest: 64, mostElements: 500_000 };

/** A comment is not read fast. */
function byWhole(document: string): XmlElement | undefined {
  try {
    return parseXml(Buffer.from(`${document}<!-- -->`), 'test');
  } catch {
    return undefined;
  }
}

function expectSame(document: string): void {
  const fast = parsePlainXml(document, limits);
  if (fast !== undefined) expect(fast).toEqual(byWhole(document));
}

const name = fc.constantFrom('a', 'b', 'x:a', 'y:b', 'val', 'propSet', '_-.1');
const text = fc.constantFrom('', ' ', 'web 1', '&amp;&lt;', '&#65;&#x42;', 'a\n\tb', ']]', 'ü ∑', '"\'>');
const attribute = fc.constantFrom(
  ...['xmlns="u"', 'xmlns:x="u"', "xmlns:y='v'", 'xmlns:x="v"', 'xmlns=""', 'type="VirtualMachine"'],
  ...['x:type="a"', 'y:type="a"', 'type="b"', 'xml:lang="de"', 'key=""'],
);
const document = fc.letrec((tie) => ({
  element: fc
    .tuple(name, fc.array(attribute, { maxLength: 3 }), fc.array(tie('part'), { maxLength: 4 }))
    .map(([of, attributes, parts]) => {
      const head = [of, ...attributes].join(' ');
      return parts.length === 0 ? `<${head}/>` : `<${head}>${parts.join('')}</${of}>`;
    }),
  part: fc.oneof({ maxDepth: 4 }, text, tie('element')),
})).element as fc.Arbitrary<string>;

const root = 'xmlns:x="urn:x" xmlns:y="urn:y"';

it('gives the tree that the whole parser gives', () => {
  let read = 0;
  fc.assert(
    fc.property(document, (inner) => {
      const whole = `<?xml version="1.0" encoding="UTF-8"?>\n<r ${root}>${inner}</r>\n`;
      expectSame(whole);
      if (parsePlainXml(whole, limits) !== undefined) read++;
    }),
    { numRuns: 400 },
  );
  expect(read).toBeGreaterThan(100);
});

it('leaves to it what is not well-formed', () => {
  const pieces = [
    '<',
    '>',
    '/',
    '&',
    '"',
    "'",
    '=',
    ' ',
    '<!--',
    ']]>',
    '<?pi?>',
    '\0',
    '&#0;',
    'xmlns:',
    ':',
  ];
  const mutation = fc.tuple(fc.nat(400), fc.constantFrom('', ...pieces), fc.nat(3));
  fc.assert(
    fc.property(document, fc.array(mutation, { minLength: 1, maxLength: 3 }), (inner, mutations) => {
      let mutated = `<r ${root}>${inner}</r>`;
      for (const [at, piece, length] of mutations) {
        const from = at % mutated.length;
        mutated = mutated.slice(0, from) + piece + mutated.slice(from + length);
      }
      expectSame(mutated);
    }),
    { numRuns: 1500 },
  );
});

it.each([
  ['two roots', '<a/><b/>'],
  ['text beside the root', '<a/>b'],
  ['nothing', ' \n'],
  ['an end that is missing', '<a><b></b>'],
  ['an end of another', '<a></b>'],
  ['an attribute twice', '<a b="1" b="2"/>'],
  ['an attribute twice by two prefixes', '<a xmlns:x="u" xmlns:y="u" x:b="1" y:b="2"/>'],
  ['a prefix that nobody declared', '<x:a/>'],
  ['an attribute of such a prefix', '<a x:b="1"/>'],
  ['a prefix that is taken back', '<a xmlns:x=""/>'],
  ['a reserved prefix', '<a xmlns:xml="u"/>'],
  ['a reserved name', '<a xmlns="http://www.w3.org/2000/xmlns/"/>'],
  ['an unknown entity', '<a>&b;</a>'],
  ['a number of no character', '<a>&#x1;</a>'],
  ['a bare ampersand', '<a>b & c</a>'],
  ['the end of a CDATA section', '<a>]]></a>'],
  ['CDATA', '<a><![CDATA[b]]></a>'],
  ['a document type', '<!DOCTYPE a><a/>'],
  ['a line end of two characters', '<a>\r\n</a>'],
  ['a control character', '<a>\x0b</a>'],
  ['attributes without a space between', '<a b="1"c="2"/>'],
  ['a < in an attribute', '<a b="<"/>'],
  [
    'an element of very many attributes',
    `<a ${Array.from({ length: 40 }, (_, i) => `b${i}="1"`).join(' ')}/>`,
  ],
  ['a declaration that is not first', ' <?xml version="1.0"?><a/>'],
])('does not read %s', (_, document) => {
  expect(parsePlainXml(document, limits)).toBeUndefined();
});

it('reads what servers answer', () => {
  const soap =
    '<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/" ' +
    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n' +
    '<soapenv:Body>\n<RetrievePropertiesExResponse xmlns="urn:vim25"><returnval><objects><obj type="VirtualMachine">vm-1</obj>' +
    '<propSet><name>name</name><val xsi:type="xsd:string">a &amp; b</val></propSet></objects></returnval>' +
    '</RetrievePropertiesExResponse>\n</soapenv:Body>\n</soapenv:Envelope>';
  const fast = parsePlainXml(soap, limits);
  expect(fast).toBeDefined();
  expect(fast).toEqual(byWhole(soap));
});

it('leaves to it what is too deep or too much', () => {
  const nested = `${'<a>'.repeat(65)}${'</a>'.repeat(65)}`;
  expect(parsePlainXml(nested, limits)).toBeUndefined();
  expect(parsePlainXml('<a><b/><b/></a>', { ...limits, mostElements: 2 })).toBeUndefined();
  expect(() => parseXml(Buffer.from(nested), 'test')).toThrow('nested deeper');
});
