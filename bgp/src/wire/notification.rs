//! NOTIFICATION (RFC 4271 §4.5).

use bytes::{BufMut, Bytes, BytesMut};

use crate::Notification;
use crate::notification::NotificationError;
use crate::wire::{DecodeError, frame};

pub(super) fn decode(body: &[u8]) -> Result<Notification, DecodeError> {
    let [code, subcode, data @ ..] = body else {
        return Err(frame::bad_length(body));
    };
    let error = NotificationError::from_codes(*code, *subcode);
    Ok(Notification { error, data: Bytes::copy_from_slice(data) })
}

pub(super) fn encode(notification: &Notification, out: &mut BytesMut) {
    let (code, subcode) = notification.error.codes();
    out.put_u8(code);
    out.put_u8(subcode);
    out.put_slice(&notification.data);
}
