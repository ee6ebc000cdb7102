/// What can be said of statements that no network comes to: blocks without a use, branches not taken, rounds of none.
module internal CnnCluster.Dsl.Checking.Unreached

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Declared

let private keys arguments =
    arguments
    |> List.choose (function
        | Keyword(key, _) -> Some key
        | _ -> None)

/// Without a value there are no shapes, but words and settings are known or not.
let private checkUse (sink: Sink) words (word: Name, arguments) =
    let isOther =
        word.Text = "input"
        || GivenArguments.isActivation word.Text
        || words.Units.ContainsKey word.Text

    match words.Layers |> List.tryFind (fun layer -> layer.Name = word.Text) with
    | _ when isOther -> ()
    | Some layer -> keys arguments |> List.iter (GivenArguments.knows sink layer >> ignore)
    | None -> refuseUnknown sink words word

/// Notes unknown words and settings in all of a script's networks, blocks and shared sets.
let check (sink: Sink) words (script: Script) =
    for declaration in script.Declarations do
        match declaration.Kind with
        | Network(_, body)
        | Block(_, _, body)
        | Shared(_, body) -> usesOf body |> List.iter (checkUse sink words)
        | Train _
        | Import _
        | UnreadDeclaration -> ()
