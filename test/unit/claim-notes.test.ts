import { describe, expect, it } from 'vitest';
import { createClaimNotes } from '../../src/outbox/claim-notes.ts';

describe('createClaimNotes', () => {
  it('knows when everything of a claim has ended', () => {
    const notes = createClaimNotes();
    notes.claimed('1', 2);
    notes.claimed('2', 1);
    notes.ended('1');
    notes.ended('2');
    expect(notes.takeDone()).toEqual(['2']);
    notes.ended('1');
    expect(notes.takeDone()).toEqual(['1']);
    expect(notes.takeDone()).toEqual([]);
  });

  it('says it again of what was put back', () => {
    const notes = createClaimNotes();
    notes.claimed('1', 1);
    notes.ended('1');
    const done = notes.takeDone();
    notes.claimed('2', 1);
    notes.ended('2');
    notes.putBack(done);
    expect(notes.takeDone()).toEqual(['2', '1']);
  });

  it('never says so of a claim of which an end could not be told', () => {
    const notes = createClaimNotes();
    notes.claimed('1', 3);
    notes.ended('1');
    notes.lost('1');
    notes.ended('1');
    expect(notes.takeDone()).toEqual([]);
  });
});
