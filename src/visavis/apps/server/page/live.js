import{c as i}from"./assets/client-DnUMOnom.js";import"./assets/details-CDAWOWA_.js";export{i as createLiveClient};
