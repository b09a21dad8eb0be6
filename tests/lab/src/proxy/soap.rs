//! The little of SOAP that a proxy needs.

use quick_xml::Reader;
use quick_xml::events::Event;

/// The method that a request calls: the first element inside the body.
pub(super) fn method(request: &[u8]) -> Option<String> {
    let mut reader = Reader::from_reader(request);
    let mut inside_body = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                let name = element.local_name();
                if inside_body {
                    return Some(name.as_ref().to_owned());
                }
                inside_body = name.as_ref() == "Body";
            }
            Ok(Event::Eof) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// A SOAP fault of the vSphere API.
pub(super) fn fault(kind: &str, detail: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"><soapenv:Body><soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{kind}, as the lab was asked to answer</faultstring><detail><{kind}Fault xmlns="urn:vim25" xsi:type="{kind}">{detail}</{kind}Fault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_is_found_whatever_the_prefixes() {
        for (request, found) in [
            (
                r#"<?xml version="1.0"?><e:Envelope><e:Header><operationID>x</operationID></e:Header><e:Body><Login xmlns="urn:vim25"/></e:Body></e:Envelope>"#,
                Some("Login"),
            ),
            (
                "<Envelope>\n<Body>\n<v:CreateVM_Task><a/></v:CreateVM_Task></Body></Envelope>",
                Some("CreateVM_Task"),
            ),
            ("<Envelope><Body/></Envelope>", None),
            ("no xml at all", None),
        ] {
            assert_eq!(method(request.as_bytes()).as_deref(), found, "{request}");
        }
    }
}
