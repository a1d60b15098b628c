import { describe, expect, it } from 'vitest';
import { checkMatch, evaluateMatch } from '../../src/routing/match.ts';
import { MatchScope, type MatchableMessage } from '../../src/routing/match-variables.ts';

const message: MatchableMessage = {
  channel: 'email',
  externalIdentity: 'ann@example.com',
  displayName: null,
  recipient: 'desk@postroom.test',
  text: 'Hello, my invoice 4711 is wrong',
  channelMessageId: 'm1',
  channelThreadId: null,
  attachments: [
    { name: 'scan.png', contentType: 'image/png', size: 5, url: null, providerId: null },
    { name: null, contentType: null, size: null, url: null, providerId: null },
  ],
  channelMetadata: {
    amount: 150,
    hundred: 100,
    ratio: 0.5,
    tags: ['vip', 'new'],
    codes: [1, 2],
    none: null,
    nested: { constructor: 'x', deep: { here: true } },
    constructor: 'y',
    items: [{ price: 3 }, { price: 30 }],
  },
  vouched: true,
};

function ask(expression: string, changes: Partial<MatchableMessage> = {}) {
  return evaluateMatch(expression, new MatchScope({ ...message, ...changes }, 'verified', 'user-1'));
}

/** Evaluates, and fails when it takes so long that a process would stall. */
function askQuickly(expression: string, changes: Partial<MatchableMessage>) {
  expect(checkMatch(expression)).toEqual({ ok: true });
  const start = performance.now();
  const answer = ask(expression, changes);
  expect(performance.now() - start).toBeLessThan(1000);
  return answer;
}

describe('a match', () => {
  it.each([
    'text.contains("invoice") && text.startsWith("Hello")',
    'text.matches("invoice [0-9]+")',
    'text.matches("(?i)INVOICE")',
    'text.lowerAscii().contains("hello")',
    'text.split(" ")[0] == "Hello,"',
    'sender == "ann@example.com" && sender.endsWith("@example.com")',
    'sender in ["ann@example.com", "bob@example.com"]',
    'trust == "verified" && user == "user-1"',
    'message.channel == "email" && message.vouched',
    'message.recipient == "desk@postroom.test" && message.displayName == "" && message.threadId == ""',
    'message.text == text && message.sender == sender && message.messageId == "m1"',
    'message.attachments.exists(a, a.contentType.startsWith("image/") && a.size > 3)',
    'size(message.attachments) == 2 && message.attachments[0].size == 5 && message.attachments[1].size == null',
    'message.attachments.filter(a, a.name.endsWith(".png")).size() == 1',
    'metadata.amount > 100 && metadata.amount >= 150.0 && 200 > metadata.amount',
    'metadata.hundred == 100 && 100 == metadata.hundred && metadata.hundred != 101 && metadata.hundred == 100.0',
    'metadata.hundred in [1, 100] && metadata.ratio < 1 && metadata.ratio == 0.5',
    'int(metadata.amount) % 2 == 0 && metadata.amount + 1.0 == 151.0',
    '"vip" in metadata.tags && metadata.tags == ["vip", "new"] && 2 in metadata.codes && metadata.codes == [1, 2]',
    'metadata.none == null && metadata.amount != null && metadata.amount != "150"',
    'metadata.nested.deep.here && metadata["nested"]["deep"]["here"]',
    'has(metadata.amount) && !has(metadata.missing) && !has(metadata.nested.missing) && "amount" in metadata',
    'metadata.items.exists(i, i.price > 10) && metadata.items.map(i, i.price) == [3, 30]',
    'metadata.constructor == "y" && metadata.nested.constructor == "x"',
    'metadata.missing == 1 || text != ""',
  ])('holds: %s', (expression) => {
    expect(checkMatch(expression)).toEqual({ ok: true });
    expect(ask(expression)).toEqual({ ok: true, matched: true });
  });

  it('fails, and says how, where a key is missing or types do not go together', () => {
    expect(ask('metadata.missing == 1')).toEqual({ ok: false, message: 'No such key: missing' });
    expect(ask('metadata.tags > 1')).toMatchObject({ ok: false });
    expect(ask('metadata.amount')).toEqual({ ok: false, message: 'the match is not true or false' });
  });

  it('reads a message without text as the empty text', () => {
    expect(ask('text == "" && message.text == ""', { text: null })).toEqual({ ok: true, matched: true });
  });

  it('sees the first 32,768 characters of a text', () => {
    const text = `${'x'.repeat(32_767)}yz`;
    expect(ask('text.endsWith("y")', { text })).toEqual({ ok: true, matched: true });
  });

  it('takes metadata of any depth, and reads null below 64 levels', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 10_000; level++) deep = { a: deep };
    const channelMetadata = { deep, top: 1 };
    expect(ask('metadata.top == 1', { channelMetadata })).toEqual({ ok: true, matched: true });
    expect(ask(`metadata.deep${'.a'.repeat(62)} != null`, { channelMetadata })).toEqual({ ok: true, matched: true });
    expect(ask(`metadata.deep${'.a'.repeat(62)}.a == null`, { channelMetadata })).toMatchObject({ ok: false });
  });

  it.each([
    ['"open', 'Unterminated'],
    ['text + 1 == ""', 'no such overload'],
    ['nobody == ""', 'Unknown variable'],
    ['message.txt == ""', 'No such key: txt'],
    ['message.attachments.exists(a, a.mime == "")', 'No such key: mime'],
    ['text', 'of type string'],
    ['size(text)', 'of type int'],
    ['text.matches("(")', 'missing closing'],
    ['text.matches("(a)\\\\1")', 'invalid escape'],
    ['text.matches("[ab]{999}")', 'too large'],
    ['text.matches(sender)', 'written out'],
    ['text.re2Matches("a")', 'no method re2Matches'],
    ['cel.bind(x, text, x == "")', 'no method bind'],
    ['timestamp(text) == timestamp(text)', 'no function timestamp'],
    [`text == "${'x'.repeat(4096)}"`, 'at most 4096'],
    [`${'!'.repeat(2000)}true`, 'maxAstNodes'],
    [`${'('.repeat(100)}true${')'.repeat(100)}`, 'maxDepth'],
    ['', 'EOF'],
  ])('is refused when it is written: %s', (expression, expected) => {
    const checked = checkMatch(expression);
    expect(checked.ok ? '' : checked.message).toContain(expected);
    expect(ask(expression)).toMatchObject({ ok: false });
  });
});

describe('the cost of a match', () => {
  const long = 'ab'.repeat(1 << 19);
  const tooMuch = { ok: false, message: 'the match costs too much on this message' };
  const zeros: unknown[] = Array.from({ length: 100_000 }, () => 0);
  const twenty = `[${zeros.slice(0, 20).join(',')}]`;

  it.each([
    'metadata.zeros.all(a, metadata.zeros.all(b, a == b))',
    `${twenty}.all(a, ${twenty}.all(b, ${twenty}.all(c, ${twenty}.all(d, ${twenty}.all(e, true)))))`,
    'metadata.zeros.map(a, metadata.zeros).map(a, a.map(b, metadata.zeros)).size() > 0',
    `[text + text]${'.map(a, a + a)'.repeat(12)}.exists(a, a == "")`,
    `${twenty}.map(a, ${twenty}.map(b, text.split(""))).size() > 0`,
    `${twenty}.all(a, ${twenty}.all(b, metadata.one != metadata.two))`,
    `${twenty}.all(a, ${twenty}.all(b, text.matches("a[ab]{150}[cd]")))`,
    `${twenty}.all(a, ${twenty}.all(b, size(metadata.long) > 0))`,
  ])('is bounded: %s', (expression) => {
    const channelMetadata = { zeros, long, one: [[...zeros, 1]], two: [[...zeros, 2]] };
    const answer = askQuickly(expression, { text: long, channelMetadata });
    expect([tooMuch, { ok: true, matched: false }]).toContainEqual(answer);
  });

  it('is bounded where every step fails', () => {
    const step = `${twenty}.all(c, ${twenty}.all(d, ${twenty}.all(e, metadata.missing == 1)))`;
    expect(askQuickly(`${twenty}.all(a, ${twenty}.all(b, ${step}))`, {})).toMatchObject({ ok: false });
  });

  it('is bounded for a needle that makes a search quadratic', () => {
    const needle = `${'a'.repeat(1 << 17)}b${'a'.repeat(1 << 17)}`;
    const answer = askQuickly('metadata.hay.contains(metadata.needle)', {
      channelMetadata: { hay: 'a'.repeat(1 << 20), needle },
    });
    expect(answer).toEqual({ ok: false, message: 'a text to search for has at most 1024 characters' });
  });

  it('is linear for a pattern on which a backtracking engine does not end', () => {
    expect(askQuickly('text.matches("^(a+)+$")', { text: `${'a'.repeat(30_000)}!` })).toEqual({
      ok: true,
      matched: false,
    });
  });

  it('allows some regular expressions on the longest text', () => {
    const expression = ['invoice', 'receipt', 'order']
      .map((word) => `text.matches("(?i)\\\\b${word}s?\\\\b")`)
      .join(' || ');
    expect(askQuickly(expression, { text: long })).toEqual({ ok: true, matched: false });
  });

  it('is the same the first time and every other time', () => {
    const expression = 'text.matches("wrong|right") && metadata.items.exists(i, i.price > 10) && user != "fresh"';
    const spent = [1, 2, 3].map(() => {
      const scope = new MatchScope(message, 'verified', 'user-1');
      const before = scope.unitsLeft;
      expect(evaluateMatch(expression, scope)).toEqual({ ok: true, matched: true });
      return before - scope.unitsLeft;
    });
    expect(new Set(spent).size).toBe(1);
    expect(spent[0]).toBeGreaterThan(20);
  });

  it('is bounded for all the matches of one message together', () => {
    const scope = new MatchScope({ ...message, channelMetadata: { zeros } }, 'unknown', null);
    const expression = 'metadata.zeros.all(a, metadata.zeros.all(b, a == b))';
    for (let route = 0; route < 3; route++) expect(evaluateMatch(expression, scope)).toEqual(tooMuch);
    expect(evaluateMatch('text != ""', scope)).toEqual(tooMuch);
  });
});
