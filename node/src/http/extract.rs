//! What handlers are given instead of strings.

use std::{str::FromStr, sync::Arc};

use api::{ErrorCode, Problem, token::Token};
use axum::{
    extract::{FromRequestParts, Path},
    http::{header, request::Parts},
};
use protocol::GroupId;

use super::App;
use crate::{access::Grant, failure::too_fast, group::Group};

/// An id in the path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Id<T>(pub(crate) T);

impl<S: Send + Sync, T: FromStr + Send> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let invalid = || Problem::new(ErrorCode::InvalidRequest).with_detail("the path has no valid id");
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| invalid())?;
        text.parse().map(Self).map_err(|_| invalid())
    }
}

/// Somebody who showed a token that counts for the group of the path.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) group: Group,
    pub(crate) grant: Grant,
}

impl FromRequestParts<Arc<App>> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Id(id) = Id::<GroupId>::from_request_parts(parts, app).await?;
        let unauthorized = || Problem::new(ErrorCode::Unauthorized);
        let header = parts.headers.get(header::AUTHORIZATION).ok_or_else(unauthorized)?;
        let invalid = || Problem::new(ErrorCode::TokenInvalid);
        let token = header
            .to_str()
            .ok()
            .and_then(|value| Token::from_authorization(value).ok())
            .ok_or_else(invalid)?;
        let now = app.groups.env().clock.now();
        let grant = app.tokens.read(&id, &token, now)?;
        // One bucket per token: what everybody who shows a root token has in common is nobody's to use up.
        app.limits.reads.take(&token.expose(), 1).map_err(too_fast)?;
        // Nobody can hold a token for a group that does not exist, unless the store lost it.
        let group = app.groups.open(&id).await?.ok_or_else(invalid)?;
        if grant.stands(&group.book(), now) {
            Ok(Self { group, grant })
        } else {
            Err(Problem::new(ErrorCode::TokenRevoked))
        }
    }
}
