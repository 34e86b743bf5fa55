//! Restarts: ours in the status, those of a peer beside it.

use control::{PeerRestartView, RestartNow, RestartTermsView, RestartView, ReturnedView};

use super::words::{count, duration, family, moment};
use super::{fact, one_line};

/// Says how this run of the daemon began, if it went on where another ended.
pub(super) fn node(text: &mut String, view: &RestartView) {
    if !view.restarted {
        return;
    }
    let mut said = match view.away_seconds {
        Some(away) => format!("went on after {}", moment(away)),
        None => "went on after an earlier run".to_owned(),
    };
    said.push_str(if view.forwarding_kept { ", forwarding all the while" } else { ", with an empty kernel" });
    fact(text, "Restart", said);
    let waiting = view.waiting_for.join(", ");
    let said = match (view.selected_seconds, view.selected_by_deadline) {
        (Some(took), false) => format!("every peer that matters had told its routes after {}", moment(took)),
        (Some(took), true) if waiting.is_empty() => format!("began when time was up, after {}", moment(took)),
        (Some(took), true) => format!("began when time was up, after {}, without {waiting}", moment(took)),
        (None, _) if view.converged_seconds.is_some() => return,
        (None, _) if waiting.is_empty() => "deferred until the kernel knows all next hops".to_owned(),
        (None, _) => format!("deferred, waiting for {waiting}"),
    };
    fact(text, "Selection", said);
    let said = view.converged_seconds.map(|took| format!("{} after the start", moment(took)));
    fact(text, "Restart over", said.unwrap_or_else(|| "not yet: what the earlier run left stays".to_owned()));
}

/// Says what graceful restart means to the session with a peer, and how the last one went.
pub(super) fn peer(text: &mut String, view: &PeerRestartView) {
    fact(text, "Restarts", now(view));
    if let Some(waiting) = &view.waiting {
        let routes = format!("{} of {} still stale", waiting.stale, count(waiting.kept, "path"));
        let lost =
            format!("session lost {} ago: {}", moment(waiting.lost_seconds), one_line(&waiting.reason));
        fact(text, "Kept", format!("{routes}, for {} more; {lost}", moment(waiting.remaining_seconds)));
    }
    if let Some(last) = &view.last_absence {
        let away = last
            .away_seconds
            .map_or("did not come back in time".to_owned(), |away| format!("was away for {}", moment(away)));
        let ago = duration(last.lost_age_seconds);
        let paths = format!("{} kept, {} not announced again", count(last.kept, "path"), last.gone);
        fact(text, "Last absence", format!("{away}, {ago} ago; {paths}"));
    }
    if let Some(returned) = &view.returned {
        fact(text, "Since our own", self::returned(returned));
    }
}

fn now(view: &PeerRestartView) -> String {
    let said = match view.role {
        RestartNow::Idle => "",
        RestartNow::Restarting => "we have restarted and wait for its End-of-RIB; ",
        RestartNow::Helping => "it is away, and its routes are kept; ",
        RestartNow::LongLived => "it is late, and its routes are the last resort; ",
        RestartNow::Returning => "it is back, and has not told all its routes yet; ",
    };
    let agreed = view.agreed.as_ref().map_or("nothing agreed without a session".to_owned(), agreed);
    format!("{said}{agreed}")
}

fn agreed(terms: &RestartTermsView) -> String {
    if terms.families.is_empty() {
        return "its routes would go with the session".to_owned();
    }
    let families: Vec<&str> = terms.families.iter().copied().map(family).collect();
    let mut said = format!("{} kept for {}", families.join(" and "), duration(terms.restart_time_seconds));
    if terms.long_lived_seconds > 0 {
        said.push_str(&format!(", as the last resort {} more", duration(terms.long_lived_seconds)));
    }
    said.push_str(if terms.notification_keeps {
        ", over a NOTIFICATION too"
    } else {
        ", not over a NOTIFICATION"
    });
    said
}

fn returned(view: &ReturnedView) -> String {
    if view.missing == 0 {
        return format!("all {} prefixes announced before are back", view.announced_before);
    }
    let examples: Vec<String> = view.examples.iter().map(ToString::to_string).collect();
    format!("{} of {} prefixes are not back: {}", view.missing, view.announced_before, examples.join(", "))
}
