import type { JSX } from "preact";
import { CloseIcon } from "./icons";
import type { Notice, NoticeKind, Notices } from "./notices";

/** Both regions are always there: a screen reader announces what appears in a region, not a region that appears. */
export function NoticeList({ notices }: { notices: Notices }): JSX.Element {
  return (
    <div class="notices">
      <Region notices={notices} kind="error" role="alert" />
      <Region notices={notices} kind="info" role="status" />
    </div>
  );
}

function Region({
  notices,
  kind,
  role,
}: {
  notices: Notices;
  kind: NoticeKind;
  role: "alert" | "status";
}): JSX.Element {
  return (
    <div role={role}>
      {notices.list.value
        .filter((notice) => notice.kind === kind)
        .map((notice) => (
          <Card key={notice.id} notice={notice} onDismiss={() => notices.dismiss(notice.id)} />
        ))}
    </div>
  );
}

function Card({ notice, onDismiss }: { notice: Notice; onDismiss: () => void }): JSX.Element {
  const { action } = notice;
  return (
    <div class={`notice surface ${notice.kind}`}>
      <p>{notice.text}</p>
      {action && (
        <button
          type="button"
          class="button small"
          onClick={() => {
            onDismiss();
            action.run();
          }}
        >
          {action.label}
        </button>
      )}
      <button type="button" class="icon-button" aria-label="Dismiss" onClick={onDismiss}>
        <CloseIcon />
      </button>
    </div>
  );
}
