/**
 * `roomtape status` for a person: what is recorded now first, what needs care last, where the eye is.
 */
import type { DaemonStatus, StatusNotice } from '../api/status.ts';
import { duration, type Paint, type Style, size, visible } from './output.ts';

const stateStyles: Readonly<Record<string, Style>> = {
  recording: 'red',
  paused: 'yellow',
  stopped: 'green',
  interrupted: 'yellow',
};

const noticeStyles: Readonly<Record<StatusNotice['level'], Style>> = {
  info: 'cyan',
  warning: 'yellow',
  error: 'red',
};

export function statusText(status: DaemonStatus, paint: Paint): string {
  const lines = [
    `${paint('bold', 'daemon')}      process ${status.pid}, Roomtape ${status.version}, ` +
      `up for ${duration(Date.now() - status.startedAt)}, data in ${visible(status.home)}`,
  ];
  for (const session of status.sessions) {
    const { openRequests: open } = session;
    const requests = open > 0 ? `, ${number(open, 'open request')}` : '';
    lines.push(
      `${paint('bold', 'session')}     ${visible(session.topic)}: ${number(session.rooms, 'room')}, ` +
        `${number(session.participants, 'participant')}, ${session.recordedRooms} recorded now${requests}`,
    );
  }
  for (const recording of status.recordings) {
    const style = stateStyles[recording.state];
    const state = recording.state.padEnd(12);
    lines.push(
      `${style ? paint(style, state) : state}${visible(recording.who)}, ` +
        `${duration(recording.recordedMs)}, ${recording.permission}`,
    );
  }
  for (const take of status.takes) {
    const what = take.growing ? 'growing' : take.stage;
    lines.push(
      `${paint('dim', what.padEnd(12))}${visible(take.path)} ` +
        `(${take.recorder}, ${size(take.bytes)}, ${take.verdict})`,
    );
  }
  if (status.recordings.length === 0 && status.takes.length === 0) {
    lines.push(`${paint('bold', 'recording')}   nothing`);
  }
  const told: StatusNotice[] = [
    ...status.disagreements.map(({ text, next }) => ({ level: 'warning' as const, text, next })),
    ...status.notices,
  ];
  for (const notice of told) {
    lines.push(
      `${paint(noticeStyles[notice.level], notice.level.padEnd(12))}${visible(notice.text)}`,
    );
    if (notice.next) lines.push(`next:       ${visible(notice.next)}`);
  }
  return lines.join('\n');
}

const number = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
