/**
 * Evidence: what somebody without Roomtape needs to check a recording, with openssl and a shell.
 *
 * The bundle holds the media files with their hashes, the journal's chain from the session's
 * beginning to its signed head, and the signed lines that permitted the recording with the keys
 * that signed them. A text says how each is checked, and a script does it.
 */
import type { KeyObject } from 'node:crypto';
import {
  type AuditHead,
  headText,
  type JournalLine,
  journalText,
  publicKeyFrom,
  textHash,
} from './audit.ts';
import { fingerprint } from './fingerprint.ts';
import { linePrefix } from './line.ts';

export interface EvidenceEntry extends JournalLine {
  readonly hash: string;
  /** False for what concerns others: only its hash is told. */
  readonly shown: boolean;
}

export interface EvidenceLine {
  /** `grant`, `delegation`, `invitation`. */
  readonly name: string;
  readonly line: string;
}

export interface Evidence {
  readonly recording: string;
  /** How it was permitted, one step a line. */
  readonly steps: readonly string[];
  /** Everything known of the recording, as JSON. */
  readonly detail: string;
  /** The link before the first entry. */
  readonly before: string;
  readonly entries: readonly EvidenceEntry[];
  readonly head: AuditHead;
  /** base64. */
  readonly signature: string;
  /** The key of the machine whose journal it is. */
  readonly key: string;
  readonly lines: readonly EvidenceLine[];
}

export interface EvidenceFile {
  /** With `/` between folders. */
  readonly name: string;
  readonly content: Uint8Array;
  readonly executable?: boolean;
}

/** The bundle without the media files and `files.sha256`, which whoever writes it adds. */
export function evidenceFiles(evidence: Evidence): EvidenceFile[] {
  const files: EvidenceFile[] = [];
  const add = (name: string, content: string | Uint8Array, executable = false) => {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    files.push({ name, content: bytes, executable });
  };
  add('README.txt', readme(evidence));
  add('verify.sh', verifyScript, true);
  add('recording.json', evidence.detail);
  add('key.pem', publicPem(evidence.key));
  add('head.txt', headText(evidence.head));
  add('head.sig', Buffer.from(evidence.signature, 'base64'));
  add('chain-before.txt', `${evidence.before}\n`);
  const chain = evidence.entries.map((entry) => {
    const text = journalText(entry);
    if (entry.shown) add(`journal/${entry.seq}.txt`, `${text}\n`);
    return `${entry.seq} ${textHash(text)} ${entry.hash}\n`;
  });
  add('chain.txt', chain.join(''));
  for (const { name, line } of evidence.lines) addLine(add, name, line);
  return files;
}

function addLine(
  add: (name: string, content: string | Uint8Array) => void,
  name: string,
  line: string,
): void {
  const [header = '', payload = '', signature = ''] = line.slice(linePrefix.length).split('.');
  const json = Buffer.from(payload, 'base64url').toString('utf8');
  add(`lines/${name}.line`, `${line}\n`);
  add(`lines/${name}.json`, `${json}\n`);
  add(`lines/${name}.txt`, `${header}.${payload}`);
  add(`lines/${name}.sig`, Buffer.from(signature, 'base64url'));
  const { k: key } = JSON.parse(json) as { k?: unknown };
  if (typeof key === 'string') add(`lines/${name}.pem`, publicPem(key));
}

function publicPem(key: string): string {
  const publicKey: KeyObject | undefined = publicKeyFrom(key);
  return publicKey ? String(publicKey.export({ type: 'spki', format: 'pem' })) : '';
}

function readme({ recording, steps, key, head, lines }: Evidence): string {
  const signers = lines.map(({ name, line }) => {
    const json = Buffer.from(line.split('.')[2] ?? '', 'base64url').toString('utf8');
    const { k } = JSON.parse(json) as { k?: unknown };
    return `  ${name}: key ${String(k)}, in words ${fingerprint(String(k))}`;
  });
  return `Evidence of recording ${recording}

How it was permitted
${steps.map((step) => `  ${step}`).join('\n')}

What is here
  media/            the files, as recorded and as recovered
  files.sha256      their SHA-256, also named by the journal
  recording.json    everything known of the recording
  lines/            the signed statements that permitted it: NAME.line as it was sent, NAME.json
                    what it says, NAME.txt what was signed, NAME.sig the signature, NAME.pem the key
  journal/          the entries about this session, one file each, named by their number
  chain.txt         number, hash and link of every entry up to the head; entries of other sessions
                    are left out, their hashes are not
  head.txt, .sig    the last link, signed by the machine that recorded; its key is key.pem

Keys
  this machine: key ${key}, in words ${fingerprint(key)}
${signers.join('\n')}
  Whether a key is the host's is to be asked of the host: compare the words.

To check everything: sh verify.sh (needs openssl 3). By hand:
  1. A file is as it was:
       openssl dgst -sha256 media/FILE           equals the line in files.sha256
       grep -l HASH journal/*.txt                names the entry that wrote it down
  2. A statement was signed by its key:
       openssl pkeyutl -verify -pubin -inkey lines/grant.pem -rawin \\
         -in lines/grant.txt -sigfile lines/grant.sig
  3. An entry is as it was written: the hash of its file is the second column of its line in chain.txt
       openssl dgst -sha256 journal/${head.seq}.txt
  4. The chain: each link is the SHA-256 of the link before, a space, the entry's hash and a line end;
     before the first stands chain-before.txt
       printf '%s %s\\n' LINK-BEFORE HASH | openssl dgst -sha256
  5. The last link is in head.txt, and signed:
       openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in head.txt -sigfile head.sig

What it proves: that these files are those the journal of this machine speaks of, that nothing was
added to, taken from or changed in the journal since the head was signed, and that whoever has
the host's key gave this permission. What it does not prove: that the machine's clock was right, or
that nothing else was recorded.
`;
}

const verifyScript = `#!/bin/sh
# Checks this bundle with openssl. Prints one line for each check; ends with 1 if any failed.
cd "$(dirname "$0")" || exit 1
bad=0
check() { if [ "$1" = 0 ]; then echo "ok      $2"; else echo "FAILED  $2"; bad=1; fi; }
digest() { openssl dgst -sha256 -r "$1" 2>/dev/null | cut -c1-64; }
signed() { openssl pkeyutl -verify -pubin -inkey "$1" -rawin -in "$2" -sigfile "$3" >/dev/null 2>&1; }

while read -r want name; do
  [ -n "$name" ] || continue
  [ "$(digest "$name")" = "$want" ]; check $? "$name is unchanged"
  if grep -q "$want" journal/*.txt 2>/dev/null; then check 0 "the journal names the hash of $name"
  else echo "note    the journal does not name the hash of $name"; fi
done < files.sha256

for text in lines/*.txt; do
  [ -f "$text" ] || continue
  line=\${text%.txt}
  signed "$line.pem" "$text" "$line.sig"; check $? "$line was signed by its key"
done

previous=$(cat chain-before.txt)
links=0
while read -r seq hash link; do
  if [ -f "journal/$seq.txt" ] && [ "$(digest "journal/$seq.txt")" != "$hash" ]; then
    check 1 "entry $seq is unchanged"
  fi
  previous=$(printf '%s %s\\n' "$previous" "$hash" | openssl dgst -sha256 -r | cut -c1-64)
  if [ "$previous" != "$link" ]; then check 1 "entry $seq follows the one before"; previous=$link; fi
  links=$((links + 1))
done < chain.txt
echo "ok      $links links were followed"
for file in journal/*.txt; do
  number=\${file#journal/}
  grep -q "^\${number%.txt} " chain.txt; [ $? = 0 ] || check 1 "$file is in the chain"
done
[ "$(cut -d' ' -f5 head.txt)" = "$previous" ]; check $? "the chain leads to the head"
signed key.pem head.txt head.sig; check $? "the head was signed by this machine's key"
exit $bad
`;
