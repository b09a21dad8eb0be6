//! What a machine waits to be told before it goes on, and how it is told.

use super::{Client, Element, Error, Method, MoRef, Request};

/// A guest holds the drive whose medium is to be taken out.
const DRIVE_LOCKED: &str = "msg.cdromdisconnect.locked";
/// How "no" is called in the catalogue of messages, and in its English text.
const NO: [&str; 2] = ["button.no", "no"];
/// The keys of "take it by force" and "leave it", where the labels are of another language.
const BY_FORCE_OR_NOT: [&str; 2] = ["0", "1"];

/// A question of `runtime.question`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Names it in an answer.
    pub id: String,
    /// For people.
    pub text: String,
    /// The messages that it is made of, by their keys in the catalogue.
    pub messages: Vec<String>,
    /// What can be answered.
    pub choices: Vec<Choice>,
}

/// One possible answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Names it in an answer.
    pub key: String,
    /// For people: `button.no`, or text in the language of the session.
    pub label: String,
}

/// The request of [`Client::answer`].
pub fn answer(vm: &MoRef, question: &str, choice: &str) -> Request {
    Request::new(Method::AnswerVm, vm).with(|w| {
        w.leaf("questionId", question).leaf("answerChoice", choice);
    })
}

// === impl Question ===

impl Question {
    /// What a value of `runtime.question` says.
    pub fn read(value: &Element) -> Self {
        let text = |element: &Element, path| element.str(path).unwrap_or_default().to_owned();
        let choices = value.path("choice").into_iter();
        Self {
            id: text(value, "id"),
            text: text(value, "text"),
            messages: value.all("message").map(|it| text(it, "id")).collect(),
            choices: choices
                .flat_map(|choice| choice.all("choiceInfo"))
                .map(|it| Choice {
                    key: text(it, "key"),
                    label: text(it, "label"),
                })
                .collect(),
        }
    }

    /// The answer that leaves a medium in the drive which a guest holds. Nothing: this asks something else, or
    /// which answer that would be is not certain.
    pub fn leave_locked_drive(&self) -> Option<&str> {
        if !self.messages.iter().any(|id| id == DRIVE_LOCKED) {
            return None;
        }
        let is_no = |choice: &&Choice| NO.contains(&&*choice.label.to_ascii_lowercase());
        let called_no = self.choices.iter().find(is_no);
        let keys = self.choices.iter().map(|choice| &*choice.key);
        let foreign = self.choices.iter().all(|choice| !choice.is_english());
        match called_no {
            Some(choice) => Some(&choice.key),
            None if foreign && keys.eq(BY_FORCE_OR_NOT) => Some(BY_FORCE_OR_NOT[1]),
            None => None,
        }
    }
}

// === impl Choice ===

impl Choice {
    fn is_english(&self) -> bool {
        let label = self.label.to_ascii_lowercase();
        label.starts_with("button.") || label == "yes"
    }
}

// === impl Client ===

impl Client {
    /// Answers what a machine waits to be told.
    ///
    /// # Errors
    /// See [`Error`]; `InvalidArgument` where it does not wait for this, or no more.
    pub async fn answer(&self, vm: &MoRef, question: &str, choice: &str) -> Result<(), Error> {
        self.call(answer(vm, question, choice)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::xml::Limits;

    fn question(message: &str, choices: &[(&str, &str)]) -> Question {
        let choice = |(key, label): &(&str, &str)| Choice {
            key: (*key).to_owned(),
            label: (*label).to_owned(),
        };
        Question {
            id: "7".into(),
            text: "Disconnect anyway?".into(),
            messages: vec![message.into()],
            choices: choices.iter().map(choice).collect(),
        }
    }

    #[test]
    fn a_question_is_read_with_its_messages_and_choices() {
        let value = r#"<val xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
              xsi:type="VirtualMachineQuestionInfo">
              <id>7</id><text>Disconnect anyway?</text>
              <choice>
                <choiceInfo xsi:type="ElementDescription">
                  <label>button.yes</label><summary>Yes</summary><key>0</key></choiceInfo>
                <choiceInfo xsi:type="ElementDescription">
                  <label>button.no</label><summary>No</summary><key>1</key></choiceInfo>
                <defaultIndex>1</defaultIndex>
              </choice>
              <message><id>msg.cdromdisconnect.locked</id><text>The guest...</text></message>
            </val>"#;
        let value = Element::parse(value.as_bytes(), Limits::DEFAULT).expect("well-formed");
        let choices = [("0", "button.yes"), ("1", "button.no")];
        assert_eq!(Question::read(&value), question(DRIVE_LOCKED, &choices));
    }

    #[test]
    fn only_the_question_of_a_locked_drive_is_answered_and_only_with_no() {
        let german = [("0", "Ja"), ("1", "Nein")];
        for (why, message, choices, expected) in [
            (
                "by the catalogue",
                DRIVE_LOCKED,
                &[("0", "button.yes"), ("1", "button.no")][..],
                Some("1"),
            ),
            (
                "by the text, whatever the key",
                DRIVE_LOCKED,
                &[("0", "No"), ("1", "Yes")],
                Some("0"),
            ),
            ("by the key", DRIVE_LOCKED, &german, Some("1")),
            (
                "another question",
                "msg.uuid.altered",
                &[("0", "Yes"), ("1", "No")],
                None,
            ),
            (
                "keys that are not known",
                DRIVE_LOCKED,
                &[("a", "Ja"), ("b", "Nein")],
                None,
            ),
            (
                "three choices",
                DRIVE_LOCKED,
                &[("0", "Ja"), ("1", "Nein"), ("2", "Abbrechen")],
                None,
            ),
            (
                "yes under the key of no",
                DRIVE_LOCKED,
                &[("0", "Retry"), ("1", "Yes")],
                None,
            ),
            ("nothing to choose", DRIVE_LOCKED, &[], None),
        ] {
            let asked = question(message, choices);
            assert_eq!(asked.leave_locked_drive(), expected, "{why}");
        }
    }
}
