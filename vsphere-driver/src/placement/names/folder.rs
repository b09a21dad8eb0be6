//! The folder of machines: what is there of it, and which levels are to be made.

use super::{Field, Names};
use crate::{
    inventory::{
        Inventory, Kind, path,
        resolve::{Scope, Unresolved},
    },
    placement::FolderPlan,
    soap::MoRef,
};
use contract::v1::ResolutionState;

impl Names<'_> {
    pub(super) fn folder(&mut self, asked: &str, datacenter: &MoRef) -> Option<FolderPlan> {
        let field = Field::of("folder", Kind::Folder, asked);
        let root = self.inventory.get(datacenter)?.vm_folder.clone()?;
        if asked.is_empty() {
            let existing = self.note(&field, ResolutionState::Chosen, root);
            let path = self.inventory.path(&existing);
            return Some(FolderPlan {
                existing,
                missing: Vec::new(),
                path,
            });
        }
        if asked.starts_with("moref:") {
            let scope = Scope {
                datacenter: Some(datacenter),
                preferred: None,
            };
            let existing = self.find(&field, scope, |_| true)?;
            let path = self.inventory.path(&existing);
            return Some(FolderPlan {
                existing,
                missing: Vec::new(),
                path,
            });
        }
        let Some(levels) = below_root(self.inventory, &root, asked) else {
            self.fail(&field, Unresolved::NotFound(vec![root]));
            return None;
        };
        let plan = descend(self.inventory, root, levels);
        if plan.missing.is_empty() {
            self.note(&field, ResolutionState::Resolved, plan.existing.clone());
        } else {
            self.resolutions
                .push(field.resolution(ResolutionState::WillBeCreated));
            let base = self.inventory.path(&plan.existing);
            let mut level = base;
            for name in &plan.missing {
                level = format!("{level}/{}", path::encode(name));
                self.folders_to_create.push(level.clone());
            }
        }
        Some(plan)
    }
}

/// The levels of a folder's name below the datacenter's folder of machines; nothing for a path that
/// leads elsewhere.
fn below_root(inventory: &Inventory, root: &MoRef, asked: &str) -> Option<Vec<String>> {
    let levels = path::split(asked);
    if !asked.starts_with('/') {
        return Some(levels);
    }
    let root: Vec<_> = inventory
        .segments(root)
        .into_iter()
        .map(path::decode)
        .collect();
    levels.strip_prefix(&*root).map(<[String]>::to_vec)
}

/// A bare name means a folder anywhere only where it exists; what does not is made level by level.
fn descend(inventory: &Inventory, root: MoRef, levels: Vec<String>) -> FolderPlan {
    let mut existing = root;
    let mut levels = levels.into_iter().peekable();
    while let Some(child) = levels
        .peek()
        .and_then(|name| inventory.child_folder(&existing, name))
    {
        existing = child.clone();
        levels.next();
    }
    let missing: Vec<_> = levels.collect();
    let below = missing.iter().map(|name| path::encode(name));
    let path = below.fold(inventory.path(&existing), |path, name| {
        format!("{path}/{name}")
    });
    FolderPlan {
        existing,
        missing,
        path,
    }
}
