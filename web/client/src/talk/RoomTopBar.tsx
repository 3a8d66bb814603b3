import type { MouseEvent } from 'react';
import type { ModuleEntry, ModulePage } from '../api';
import { Icon } from '../parts/Icon';
import { TopBar } from '../account/TopBar';
import { followLink, modulePath } from '../router';
import { texts } from '../texts';
import type { Drawer } from './useDrawer';

interface RoomTopBarProps {
  page: ModulePage;
  courseId: string;
  module: ModuleEntry;
  title: string;
  drawer: Drawer;
  onOpen: (event: MouseEvent<HTMLAnchorElement>) => void;
}

/** The top bar, with links from the course down to the lesson. */
export function RoomTopBar({ page, courseId, module, title, drawer, onOpen }: RoomTopBarProps) {
  return (
    <TopBar userName={page.userName} inert={drawer.shown} before={<DrawerButton drawer={drawer} />}>
      <div className="where">
        <a href={`/?course=${encodeURIComponent(page.course.id)}`} onClick={followLink}>
          {page.course.title}
        </a>
        <PathSeparator />
        <a href={modulePath(courseId, page.module.id)} onClick={onOpen}>
          {module.title}
        </a>
        <PathSeparator />
        <h1>{title}</h1>
      </div>
    </TopBar>
  );
}

function PathSeparator() {
  return (
    <span className="sep" aria-hidden="true">
      /
    </span>
  );
}

function DrawerButton({ drawer }: { drawer: Drawer }) {
  return (
    <button
      type="button"
      className="btn bare square menu-btn"
      aria-label={texts.room.menu}
      aria-expanded={drawer.shown}
      onClick={drawer.open}
      ref={drawer.opener}
    >
      <Icon name="menu" />
    </button>
  );
}
