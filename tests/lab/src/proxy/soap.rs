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

/// The machines that a request names by their ids, and the name of the one that it makes.
pub(super) fn objects(request: &[u8]) -> Vec<String> {
    let mut reader = Reader::from_reader(request);
    let (mut objects, mut inside) = (Vec::new(), Vec::<String>::new());
    let mut names_a_machine = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => {
                let kind = element.try_get_attribute("type").ok().flatten();
                names_a_machine = kind.is_some_and(|kind| kind.value == "VirtualMachine");
                inside.push(element.local_name().as_ref().to_owned());
                // The name of the machine is the one right below its specification.
                names_a_machine |=
                    matches!(&inside[..], [.., above, name] if above == "config" && name == "name");
            }
            Ok(Event::Text(text)) if names_a_machine => objects.push(text.trim().to_owned()),
            Ok(Event::End(_)) => {
                names_a_machine = false;
                inside.pop();
            }
            Ok(Event::Eof) | Err(_) => return objects,
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

    #[test]
    fn the_machines_of_a_request_are_found() {
        for (request, found) in [
            (
                r#"<Body><Destroy_Task><_this type="VirtualMachine">vm-7</_this></Destroy_Task></Body>"#,
                vec!["vm-7"],
            ),
            (
                r#"<PowerOnMultiVM_Task><_this type="Datacenter">d-1</_this><vm type="VirtualMachine">vm-1</vm><vm type="VirtualMachine">vm-2</vm><option><key>k</key></option></PowerOnMultiVM_Task>"#,
                vec!["vm-1", "vm-2"],
            ),
            (
                r#"<CreateVM_Task><_this type="Folder">f</_this><config><name>p-n01</name><files><name>no</name></files></config></CreateVM_Task>"#,
                vec!["p-n01"],
            ),
        ] {
            assert_eq!(objects(request.as_bytes()), found, "{request}");
        }
    }
}
