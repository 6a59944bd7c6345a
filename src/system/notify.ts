/**
 * A word on the desktop, for what cannot wait until somebody looks at a terminal.
 *
 * The words are handed over as arguments or environment, never as a script: topics and names come
 * from outside.
 */
import { runProgram } from './capture-folder.ts';

const limitMs = 5_000;

/** Shows a notification; false when this desktop has no way to. */
export async function notifyDesktop(
  title: string,
  text: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<boolean> {
  // No argument of a program can hold a zero byte.
  const shown = text.replaceAll('\0', '');
  const { program, args, env } = notification(process.platform, title, shown);
  const run = await runProgram(program, args, limitMs, { ...environment, ...env });
  return run.code === 0;
}

/** The program that shows a notification on a system. */
export function notification(
  platform: NodeJS.Platform,
  title: string,
  text: string,
): { program: string; args: readonly string[]; env: Readonly<Record<string, string>> } {
  if (platform === 'darwin') {
    const script =
      'on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run';
    return { program: 'osascript', args: ['-e', script, title, text], env: {} };
  }
  if (platform === 'win32') {
    return {
      program: 'powershell',
      args: ['-NoProfile', '-NonInteractive', '-Command', windowsToast],
      env: { ROOMTAPE_TITLE: title, ROOMTAPE_TEXT: text },
    };
  }
  return {
    program: 'notify-send',
    args: ['--app-name=Roomtape', '--urgency=critical', '--', title, text],
    env: {},
  };
}

const windowsToast = `
$manager = [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]
$xml = $manager::GetTemplateContent([Windows.UI.Notifications.ToastTemplateType]::ToastText02)
$lines = $xml.GetElementsByTagName('text')
$lines.Item(0).AppendChild($xml.CreateTextNode($env:ROOMTAPE_TITLE)) | Out-Null
$lines.Item(1).AppendChild($xml.CreateTextNode($env:ROOMTAPE_TEXT)) | Out-Null
$toast = [Windows.UI.Notifications.ToastNotification, Windows.UI.Notifications, ContentType = WindowsRuntime]::new($xml)
$manager::CreateToastNotifier('Roomtape').Show($toast)
`.trim();
